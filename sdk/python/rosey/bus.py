"""Publishing and requests in a plugin's name."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import os
import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Awaitable, Callable, Mapping

import nats
import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError

from .errors import RoseyError, text_of

log = logging.getLogger("rosey")

PURPOSE = b"rosey: seal of message IDs"
OUTAGE = 30.0  # seconds that a publish or a database request is repeated for
FULL = re.compile(r"maximum (bytes|messages) exceeded|insufficient (storage )?resources")


@dataclass
class Origin:
    """What an event that is published comes from."""

    correlation_id: str
    ref: str | None = None  # STREAM:SEQ of the event being handled
    headers: Mapping[str, str] = field(default_factory=dict)  # of that event
    metadata: dict[str, Any] = field(default_factory=dict)


class Bus:
    def __init__(self, nc: Client, name: str, secret: bytes | None = None):
        self.nc, self.js, self.name, self.durable, self._secret = nc, nc.jetstream(), name, f"plugin-{name}", secret

    @classmethod
    async def connect(cls, name: str) -> "Bus":
        """Connects as NATS_URL, and NATS_CREDS or NATS_USER and NATS_PASSWORD say."""
        creds, user = os.environ.get("NATS_CREDS"), os.environ.get("NATS_USER")
        options: dict[str, Any] = {"user_credentials": creds} if creds else {"user": user, "password": os.environ.get("NATS_PASSWORD")} if user else {}
        url = os.environ.get("NATS_URL") or "nats://127.0.0.1:4222"
        nc = await nats.connect(url, name=f"plugin-{name}", max_reconnect_attempts=-1, error_cb=_log_error, **options)
        return cls(nc, name, secret_of(creds) if creds else None)

    def sign(self, id: str) -> str:
        """A message ID that only this plugin's credentials can make. Others use the ID itself."""
        if self._secret is None:
            return id
        mac = hmac.digest(self._secret, id.encode(), "sha256")[:12]
        return f"{id}~{base64.urlsafe_b64encode(mac).decode()}"

    def envelope(self, origin: Origin, subject: str, data: Mapping[str, Any]) -> bytes:
        metadata = {"source": self.durable, **({"causation_id": origin.ref} if origin.ref else {}), **origin.metadata}
        body = {"subject": subject, "data": data, "timestamp": time.time(), "priority": 1, "correlation_id": origin.correlation_id, "metadata": metadata}
        return json.dumps(body, ensure_ascii=False).encode(errors="replace")

    def headers(self, origin: Origin, **more: str) -> dict[str, str]:
        """The correlation ID, and the trace of the event being handled if it is that of its conversation."""
        h = {"Rosey-Correlation-Id": origin.correlation_id, **{k.replace("_", "-"): v for k, v in more.items() if v}}
        parent = header(origin.headers, "traceparent")
        if parent and parent.split("-")[1:2] == [trace_id(origin.correlation_id)]:
            h["traceparent"] = parent
            if state := header(origin.headers, "tracestate"):
                h["tracestate"] = state
        return h

    async def publish(self, origin: Origin, subject: str, data: Mapping[str, Any], id: str | None = None) -> None:
        """Stores an event, once for its ID."""
        body, h = self.envelope(origin, subject, data), self.headers(origin, Nats_Msg_Id=self.sign(id) if id else "")
        await self._retry(OUTAGE, lambda: self.js.publish(subject, body, headers=h))

    async def request(self, origin: Origin, subject: str, data: Mapping[str, Any], id: str | None = None, timeout: float = 5) -> dict[str, Any]:
        """Asks a service, and returns its reply or raises the failure that it reports."""
        h = self.headers(origin, Rosey_Msg_Id=self.sign(id) if id else "")
        return await self._ask(subject, self.envelope(origin, subject, data), h, timeout, OUTAGE if subject.startswith("database.") else 0)

    async def provision(self, verb: str, body: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Asks the bot for what the plugin may not do itself: consumers and timers."""
        return await self._ask(f"rosey.warden.{self.name}.{verb}", body, headers, 5, OUTAGE)

    async def read(self, bucket: str, key: str) -> bytes | None:
        """The value of a key of a KV bucket."""
        m = await self.nc.request(f"$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{key}", b"", timeout=5)
        return None if header(m.headers, "Status") or header(m.headers, "KV-Operation") else m.data

    async def _ask(self, subject: str, body: bytes, headers: dict[str, str] | None, timeout: float, retry: float) -> dict[str, Any]:
        try:
            m = await self._retry(retry, lambda: self.nc.request(subject, body, timeout=timeout, headers=headers))
        except nats.errors.NoRespondersError:
            raise RoseyError("NATS_ERROR", f"nothing answers {subject}: is the bot or the plugin running?") from None
        except (asyncio.TimeoutError, nats.errors.TimeoutError):
            raise RoseyError("TIMEOUT", f"{subject} was not answered within {timeout:g}s: is its service running?") from None
        except nats.errors.Error as err:
            raise RoseyError("NATS_ERROR", f"request {subject}: {err}") from err
        reply = json.loads(m.data)
        if reply.get("success") is False:
            raise RoseyError(reply.get("error_code") or "PLUGIN_ERROR", reply.get("error") or "the request failed without a reason", reply.get("details"))
        return reply

    async def _retry(self, limit: float, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeats what NATS does not answer, and without limit what it has no capacity for."""
        started, wait = time.monotonic(), 0.1
        while True:
            try:
                return await call()
            except (nats.errors.Error, asyncio.TimeoutError) as err:
                full = limit > 0 and FULL.search(str(err))
                over = isinstance(err, APIError) or time.monotonic() - started >= limit
                if self.nc.is_closed or not full and over:
                    raise
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2)


async def _log_error(err: Exception) -> None:
    """Of each attempt to connect again, and of what the server refuses."""
    log.log(logging.DEBUG if isinstance(err, OSError) else logging.WARNING, "connection: %s", text_of(err))


def header(headers: Mapping[str, str] | None, name: str) -> str | None:
    return (headers or {}).get(name)


def secret_of(creds: str) -> bytes | None:
    """The secret that all processes derive from credentials, as the Go SDK does."""
    import nkeys

    seed = re.search(rb"BEGIN USER NKEY SEED-+\s+(\S+)", Path(creds).read_bytes())
    return hashlib.sha256(PURPOSE + nkeys.from_seed(bytearray(seed[1])).sign(PURPOSE)).digest() if seed else None


def trace_id(correlation_id: str) -> str:
    """The trace ID that a correlation ID stands for."""
    digits = correlation_id.replace("-", "").lower()
    if re.fullmatch(r"[0-9a-f]{32}", digits) and digits.strip("0"):
        return digits
    return hashlib.sha256(correlation_id.encode()).hexdigest()[:32]


def correlation_of(body: Any, headers: Mapping[str, str] | None, implied: str | None = None) -> str:
    """The correlation ID of an event: its body's, its header's, its trace's, or that of its position."""
    trace = re.match(r"\w\w-(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})-", header(headers, "traceparent") or "")
    for id in (body, header(headers, "Rosey-Correlation-Id"), "-".join(trace.groups()) if trace else None):
        if isinstance(id, str) and 0 < len(id.encode()) <= 256:
            return id
    return implied or str(uuid.uuid4())


def widen(pattern: str) -> str:
    """The contract writes cytube.* for all of cytube.>."""
    return re.sub(r"^(cytube|plugin|platform|database)\.\*$", r"\1.>", pattern)


def matches(pattern: str, subject: str) -> bool:
    parts = ({"*": r"[^.]+", ">": ".+"}.get(p) or re.escape(p) for p in widen(pattern).split("."))
    return re.fullmatch(r"\.".join(parts), subject) is not None
