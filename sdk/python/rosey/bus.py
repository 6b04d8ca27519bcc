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
from pathlib import Path
from typing import Any, Awaitable, Callable, Mapping

import nats.errors
import nkeys
from nats.aio.client import Client
from nats.js.errors import APIError

from .errors import Permanent, RoseyError, text_of
from .event import Output, Stored, trace_id

log = logging.getLogger("rosey")

PURPOSE = b"rosey: seal of message IDs"
OUTAGE = 30.0  # seconds that a publish or a database request is repeated for
DENIED = re.compile(r'permissions violation for publish to "(.+?)"', re.I)
FULL = re.compile(r"maximum (bytes|messages) exceeded|insufficient (storage )?resources")


class Bus:
    def __init__(self, nc: Client, name: str, secret: bytes | None = None):
        self.nc, self.js, self.name, self.durable, self._secret = nc, nc.jetstream(), name, f"plugin-{name}", secret
        self.denied: set[str] = set()  # the subjects of publishes that the server refused

    @classmethod
    async def connect(cls, name: str) -> "Bus":
        """Connects as NATS_URL, and NATS_CREDS or NATS_USER and NATS_PASSWORD say."""
        url, creds, user, password = (os.environ.get(f"NATS_{name}") for name in ("URL", "CREDS", "USER", "PASSWORD"))
        options: dict[str, Any] = {"user_credentials": creds} if creds else {"user": user, "password": password} if user else {}
        bus = cls(Client(), name, secret_of(creds) if creds else None)
        await bus.nc.connect(url or "nats://127.0.0.1:4222", name=f"plugin-{name}", max_reconnect_attempts=-1, error_cb=bus._failed, **options)
        return bus

    def message_id(self, cause: Stored, name: str) -> str:
        """The message ID of something that an event leads to. Only this plugin's credentials can make it."""
        id = f"{self.durable}/{cause.ref}/{name}"
        mac = self._secret and hmac.digest(self._secret, id.encode(), "sha256")[:12]
        return f"{id}~{base64.urlsafe_b64encode(mac).decode()}" if mac else id

    def envelope(self, cause: Stored, out: Output) -> bytes:
        """The body of what is published because of an event, or of a request."""
        handled = {"causation_id": cause.ref, "waited": cause.waited, **({"attempt": cause.attempt} if cause.attempt > 1 else {})} if cause.ref else {}
        body = {"subject": out.subject, "data": out.data, "timestamp": time.time(), "priority": 1, "correlation_id": cause.correlation_id}
        return json.dumps({**body, "metadata": {"source": self.durable, **handled, **out.metadata}}, ensure_ascii=False).encode(errors="replace")

    def headers(self, cause: Stored, **more: str) -> dict[str, str]:
        """The correlation ID, and the trace of the event being handled if it is that of its conversation."""
        h = {"Rosey-Correlation-Id": cause.correlation_id, **{k.replace("_", "-"): v for k, v in more.items() if v}}
        if cause.headers.get("traceparent", "").split("-")[1:2] == [trace_id(cause.correlation_id)]:
            h.update({k: v for k, v in cause.headers.items() if k in ("traceparent", "tracestate")})
        return h

    async def publish(self, cause: Stored, out: Output, name: str = "") -> None:
        """Stores an event, once for its name among what an event leads to."""
        body, h = self.envelope(cause, out), self.headers(cause, Nats_Msg_Id=self.message_id(cause, name) if name else "")
        await self._retry(OUTAGE, out.subject, lambda: self.js.publish(out.subject, body, headers=h))

    async def request(self, cause: Stored, subject: str, data: Mapping[str, Any], name: str = "", timeout: float = 5) -> dict[str, Any]:
        """Asks a service, and returns its reply or raises the failure that it reports."""
        h = self.headers(cause, Rosey_Msg_Id=self.message_id(cause, name) if cause.ref else "")
        return await self._ask(subject, self.envelope(cause, Output(subject, data)), h, timeout, OUTAGE if subject.startswith("database.") else 0)

    async def provision(self, verb: str, body: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Asks the bot for what the plugin may not do itself: consumers and timers."""
        return await self._ask(f"rosey.warden.{self.name}.{verb}", body, headers, 5, OUTAGE)

    async def read(self, bucket: str, key: str) -> bytes | None:
        """The value of a key of a KV bucket."""
        m = await self.nc.request(f"$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{key}", b"", timeout=5)
        return None if {"Status", "KV-Operation"} & set(m.headers or {}) else m.data

    async def _ask(self, subject: str, body: bytes, headers: dict[str, str] | None, timeout: float, retry: float) -> dict[str, Any]:
        try:
            m = await self._retry(retry, subject, lambda: self.nc.request(subject, body, timeout=timeout, headers=headers))
        except nats.errors.NoRespondersError:
            raise RoseyError("NATS_ERROR", f"nothing answers {subject}: is the bot or the plugin running?") from None
        except asyncio.TimeoutError:
            raise RoseyError("TIMEOUT", f"{subject} was not answered within {timeout:g}s: is its service running?") from None
        except nats.errors.Error as err:
            raise RoseyError("NATS_ERROR", f"request {subject}: {err}") from err
        reply = json.loads(m.data)
        if reply.get("success") is False:
            raise RoseyError(reply.get("error_code") or "PLUGIN_ERROR", reply.get("error") or "the request failed without a reason", reply.get("details"))
        return reply

    async def _retry(self, limit: float, subject: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeats what NATS does not answer, and without limit what it has no capacity for."""
        end, wait = time.monotonic() + limit, 0.1
        while True:
            try:
                return await call()
            except (nats.errors.Error, asyncio.TimeoutError) as err:
                if subject.lower() in self.denied:
                    self.denied.discard(subject.lower())
                    ability = subject.removeprefix("cytube.send.")
                    remedy = f": rosey plugin grant {self.name} {ability} lets it" if ability != subject else ""
                    raise Permanent(f"plugin {self.name} may not publish {subject}{remedy}", "PERMISSION_DENIED") from err
                full = limit > 0 and FULL.search(str(err))
                if self.nc.is_closed or not full and (isinstance(err, APIError) or time.monotonic() >= end):
                    raise
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2)

    async def _failed(self, err: Exception) -> None:
        """Of each attempt to connect again, and of what the server refuses."""
        self.denied.update(subject.lower() for subject in DENIED.findall(str(err)))
        log.log(logging.DEBUG if isinstance(err, OSError) else logging.WARNING, "connection: %s", text_of(err))


def secret_of(creds: str) -> bytes:
    """The secret that all processes derive from credentials, as the Go SDK does."""
    seed = re.search(rb"BEGIN USER NKEY SEED-+\s+(\S+)", Path(creds).read_bytes())[1]
    return hashlib.sha256(PURPOSE + nkeys.from_seed(bytearray(seed)).sign(PURPOSE)).digest()
