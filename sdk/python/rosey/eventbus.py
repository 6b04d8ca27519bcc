"""The event bus as the contract's examples use it: what is published is stored, subscriptions are not durable."""

import asyncio
from contextvars import ContextVar
from typing import Any, Awaitable, Callable

from .bus import Bus
from .errors import RoseyError
from .event import Output, Stored, read, widen

_handling: ContextVar[str | None] = ContextVar("correlation_id", default=None)


class EventBus:
    def __init__(self, bus: Bus):
        self._bus = bus

    @classmethod
    async def connect(cls, name: str) -> "EventBus":
        return cls(await Bus.connect(name))

    async def subscribe(self, subject: str, handler: Callable[[Stored], Awaitable[None]]) -> None:
        async def deliver(m: Any) -> None:
            e = Stored(m.subject, headers=m.headers or {})
            read(e, m.data)
            _handling.set(e.correlation_id)
            await handler(e)

        await self._bus.nc.subscribe(widen(subject), cb=deliver)

    async def publish(self, subject: str, data: dict[str, Any], *, correlation_id: str | None = None) -> None:
        await self._bus.publish(_cause(correlation_id), Output(subject, data))

    async def request(self, subject: str, data: dict[str, Any], *, timeout: float = 5, correlation_id: str | None = None) -> dict[str, Any]:
        """The reply, also one that reports a failure; asyncio.TimeoutError if there is none in time."""
        try:
            return {"error": None, **await self._bus.request(_cause(correlation_id), subject, data, timeout=timeout)}
        except RoseyError as err:
            if err.code == "TIMEOUT":
                raise asyncio.TimeoutError(str(err)) from err
            return {"success": False, "error": str(err), "error_code": err.code, "details": err.details}

    async def close(self) -> None:
        await self._bus.nc.drain()


def _cause(correlation_id: str | None) -> Stored:
    known = correlation_id or _handling.get()
    return Stored("", known) if known else Stored("")
