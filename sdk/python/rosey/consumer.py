"""A plugin's durable consumer on one stream."""

import asyncio
import json
import logging
import time
import traceback
from datetime import UTC, datetime
from typing import Any, Awaitable, Callable, Mapping

from nats.aio.msg import Msg

from .bus import Bus, correlation_of, header
from .context import Output, Stored
from .errors import Permanent, RoseyError, TooLate, code_of, text_of

log = logging.getLogger("rosey")

ACK_WAIT = 5  # seconds after which a crashed process's event is redelivered
GRACE = 8  # seconds that a handler may run on after a stop
NOTICES = ("dead_letter", "expired", "denied")

Handle = Callable[[Stored, Callable[[], Awaitable[float]]], Awaitable[list[Output]]]


def is_notice(subject: Any) -> bool:
    parts = str(subject).split(".")
    return len(parts) == 4 and parts[0] == "plugin" and parts[2] == "event" and parts[3] in NOTICES


class Reader:
    """Reads a durable consumer, and acknowledges an event after all that it led to is stored."""

    def __init__(self, bus: Bus, stream: str, backoff: list[float], handle: Handle):
        self._bus, self._stream = bus, stream
        self._backoff, self._handle, self._stopping = backoff, handle, asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Reads until stop is called; it raises if the consumer is deleted or the connection closed."""
        sub, stopping = await self._bus.js.pull_subscribe_bind(self._bus.durable, self._stream), asyncio.create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                # One at a time: what waits in this process would count as attempted when it dies.
                fetch = asyncio.create_task(sub.fetch(1, timeout=5))  # a pull is lost with its connection
                await asyncio.wait({fetch, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not fetch.done():
                    fetch.cancel()
                elif not isinstance(fetch.exception(), TimeoutError):
                    await self._deliver(fetch.result()[0], stopping)
        finally:
            stopping.cancel()
            if not self._bus.nc.is_closed:
                await sub.unsubscribe()

    async def _deliver(self, m: Msg, stopping: asyncio.Task) -> None:
        if stopping.done():
            return await m.nak()
        e = position(m)
        beat = asyncio.create_task(self._beat(m))  # not given to another meanwhile
        work = asyncio.create_task(self._settle(m, e))
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({work}, timeout=GRACE)
            work.cancel()  # unless it is done
            await asyncio.wait({work})
            await (m.nak() if work.cancelled() else work)
        finally:
            beat.cancel()

    async def _settle(self, m: Msg, e: Stored) -> None:
        try:
            if not m.data and "_passed_" in m.subject:
                return await m.ack()  # no event: it takes up a lost sequence
            read(m.subject, m.data, m.headers, e)
            if e.metadata.get("retry_for") not in (None, "", self._bus.durable):
                return await m.ack()  # another's dead letter
            if e.attempt > len(self._backoff) + 1:
                raise Permanent("crashed on last attempt", "PLUGIN_ERROR")
            # The k-th output always has the same ID, by which a repeat after a crash is recognised.
            for k, o in enumerate(await self._handle(e, self._server_time), 1):
                await self._store(e, o, "expired/1" if is_notice(o.subject) else str(k))
            await m.ack()
        except Exception as err:
            await self._failed(m, e, err)

    async def _beat(self, m: Msg) -> None:
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            await m.in_progress()

    async def _server_time(self) -> float:
        m = await self._bus.nc.request(f"$JS.API.CONSUMER.INFO.{self._stream}.{self._bus.durable}", b"", timeout=5)
        return datetime.fromisoformat(json.loads(m.data)["ts"]).timestamp()

    async def _store(self, e: Stored, o: Output, id: str) -> None:
        origin = e.origin()
        origin.metadata.update(o.metadata)
        await self._bus.publish(origin, o.subject, o.data, f"{self._bus.durable}/{e.ref}/{id}")

    async def _failed(self, m: Msg, e: Stored, err: Exception) -> None:
        """Has a failed attempt repeated after the backoff. After the last one the event is a dead letter."""
        delay = self._backoff[min(e.attempt, len(self._backoff)) - 1] if self._backoff else ACK_WAIT
        late = str(err) if isinstance(err, TooLate) else ""
        about = f"event {e.ref} {e.subject} attempt {e.attempt}: {text_of(err)}"
        if not isinstance(err, Permanent) and e.attempt <= len(self._backoff):
            log.warning("handler failed, retrying after %gs: %s", delay, about)
            if e.attempt == 1 and code_of(err) != "NATS_ERROR":
                await self._notify(e, "retried", f"{late or 'did not work yet'}, trying again")
            return await m.nak(delay)
        stack = {} if isinstance(err, RoseyError) else {"stack": "".join(traceback.format_exception(err))}
        letter = notice(self._bus, e, "dead_letter", error=text_of(err), error_code=code_of(err), attempts=e.attempt, **stack)
        try:
            if not is_notice(e.subject) or e.metadata.get("source") != self._bus.durable and not is_notice(e.data.get("subject")):
                await self._store(e, letter, "dead")
        except Exception as refused:
            log.error("dead letter not stored (%s): %s", text_of(refused), about)
            if e.attempt < len(self._backoff) + 11:
                return await m.nak(delay)
        log.error("event dead-lettered: %s", about)
        await self._notify(e, "dead_letter", f"failed, {f'it {late}' if late else 'an operator can see why'} (rosey dead ls)")
        await m.respond(b"+TERM " + text_of(err).split("\n")[0].encode())

    async def _notify(self, e: Stored, result: str, told: str) -> None:
        """Tells the user of a command that it failed, under an ID that uses up no number of the outputs."""
        user, command = e.data.get("user"), e.data.get("command")
        if e.subject != f"plugin.{self._bus.name}.command" or not user or not command:
            return
        typed = (str(e.data.get("raw_message") or "").split() or [command])[0]
        private = {"to": user} if e.data.get("private") else {}
        data = {"message": f"{user}: {typed} {told}", **({"channel": e.data["channel"]} if e.data.get("channel") else {}), **private}
        try:
            await self._store(e, Output(f"cytube.send.{'pm' if private else 'chat'}", data, {"result": result}), f"{result}/1")
        except Exception as err:
            log.warning("user not told that a command failed: %s", text_of(err))


def notice(bus: Bus, e: Stored, type: str, **more: Any) -> Output:
    """An event of the plugin's own about what became of an event."""
    stream, seq = e.ref.split(":")
    data = {"event_type": type, "consumer": bus.durable, "stream": stream, "seq": int(seq), "subject": e.subject, **more}
    return Output(f"plugin.{bus.name}.event.{type}", data)


def position(m: Msg) -> Stored:
    """What is known of an event before its body is read."""
    t = m.reply.split(".")
    stream, _, delivered, seq, _, stamp = (t[4:] if len(t) > 9 else t[2:])[:6]
    at, ref = datetime.fromtimestamp(int(stamp) / 1e9, UTC), f"{stream}:{seq}"
    nanos = f"{int(stamp) % 10**9:09d}".rstrip("0")
    implied = f"{ref}@{at:%Y-%m-%dT%H:%M:%S}{'.' + nanos if nanos else ''}Z"
    waited = round(max(time.time() - at.timestamp(), 0), 6)
    return Stored(m.subject, correlation_of(None, m.headers, implied), headers=m.headers or {}, ref=ref, at=at, attempt=int(delivered), waited=waited)


def read(subject: str, data: bytes, headers: Mapping[str, str] | None, e: Stored) -> None:
    """Reads a body into e: an envelope, or the bare payload."""
    try:
        body = json.loads(data)
    except ValueError as err:
        raise Permanent(f"malformed event: {err}") from None
    if not isinstance(body, dict):
        raise Permanent("malformed event: the body must be a JSON object")
    enveloped = "subject" in body and "data" in body
    if enveloped and body["subject"] != subject:
        raise Permanent(f'malformed event: subject is "{body["subject"]}", but the event came on "{subject}"')
    e.data = body["data"] if enveloped else body
    if not isinstance(e.data, dict):
        e.data = {}
        raise Permanent("malformed event: data must be an object")
    e.metadata = dict(body.get("metadata") or {}) if enveloped else {}
    if publisher := header(headers, "Rosey-Publisher"):
        e.metadata["source"] = f"plugin-{publisher}"  # proven by the server
    e.correlation_id = correlation_of(body.get("correlation_id") if enveloped else None, headers, e.correlation_id)
