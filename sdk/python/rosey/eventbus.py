"""The event bus as the contract's examples use it: what is published is stored, subscriptions are not durable."""

import asyncio
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Awaitable, Callable

from .bus import Bus, Origin, widen
from .consumer import read
from .context import Stored
from .errors import RoseyError


Priority = Enum("Priority", ["LOW", "NORMAL", "HIGH", "CRITICAL"], start=0)


@dataclass
class Event:
    subject: str
    data: dict[str, Any]
    timestamp: float | None = None
    priority: Priority = Priority.NORMAL
    correlation_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


_handling: ContextVar[str | None] = ContextVar("correlation_id", default=None)


class EventBus:
    def __init__(self, bus: Bus):
        self._bus = bus

    @classmethod
    async def connect(cls, name: str) -> "EventBus":
        return cls(await Bus.connect(name))

    async def subscribe(self, subject: str, handler: Callable[[Event], Awaitable[None]]) -> None:
        async def deliver(m: Any) -> None:
            e = Stored(m.subject, str(uuid.uuid4()))
            read(m.subject, m.data, m.headers, e)
            _handling.set(e.correlation_id)
            await handler(Event(m.subject, e.data, correlation_id=e.correlation_id, metadata=e.metadata))

        await self._bus.nc.subscribe(widen(subject), cb=deliver)

    async def publish(self, subject: str, data: dict[str, Any], *, correlation_id: str | None = None) -> None:
        await self._bus.publish(_origin(correlation_id), subject, data)

    async def request(self, subject: str, data: dict[str, Any], *, timeout: float = 5, correlation_id: str | None = None) -> dict[str, Any]:
        """The reply, also one that reports a failure; asyncio.TimeoutError if there is none in time."""
        try:
            return {"error": None, **await self._bus.request(_origin(correlation_id), subject, data, timeout=timeout)}
        except RoseyError as err:
            if err.code == "TIMEOUT":
                raise asyncio.TimeoutError(str(err)) from err
            return {"success": False, "error": str(err), "error_code": err.code, "details": err.details}

    async def close(self) -> None:
        await self._bus.nc.drain()


def _origin(correlation_id: str | None) -> Origin:
    return Origin(correlation_id or _handling.get() or str(uuid.uuid4()))
