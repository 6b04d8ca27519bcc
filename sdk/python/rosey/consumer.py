"""A plugin's durable consumer on one stream."""

import asyncio
import json
import logging
import traceback
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Awaitable, Callable

from nats.aio.msg import Msg

from .bus import Bus
from .errors import Permanent, RoseyError, TooLate, code_of, text_of
from .event import Output, Stored, delivered, is_notice, read, reply_to

log = logging.getLogger("rosey")

ACK_WAIT = 5  # seconds after which a crashed process's event is redelivered
GRACE = 8  # seconds that a handler may run on after a stop

IsOlder = Callable[[float], Awaitable[bool]]
Handle = Callable[[Stored, IsOlder], Awaitable[list[Output]]]


class Reader:
    """Reads a durable consumer, and acknowledges an event after all that it led to is stored."""

    def __init__(self, bus: Bus, stream: str, backoff: list[float], handle: Handle):
        self._bus, self._stream, self._backoff, self._handle = bus, stream, backoff, handle
        self._stopping, self._work = False, asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        self._stopping = True
        asyncio.get_running_loop().call_later(GRACE, lambda: self._work.cancel())

    async def run(self) -> None:
        """Reads until stop is called; it raises if the consumer is deleted or the connection closed."""
        sub = await self._bus.js.pull_subscribe_bind(self._bus.durable, self._stream)
        while not self._stopping:
            # One at a time: what waits in this process would count as attempted when it dies. A stop waits
            # for the pull: what is on its way when one is broken off is redelivered only after ACK_WAIT.
            try:
                m = (await sub.fetch(1, timeout=1))[0]
            except TimeoutError:
                continue
            await self._deliver(m)
        await sub.unsubscribe()

    async def _deliver(self, m: Msg) -> None:
        e = delivered(m)
        beat = asyncio.create_task(self._beat(m))  # not given to another meanwhile
        self._work = asyncio.create_task(self._settle(m, e))
        await asyncio.wait({self._work})
        beat.cancel()
        await (m.nak() if self._work.cancelled() else self._work)

    async def _settle(self, m: Msg, e: Stored) -> None:
        try:
            if not m.data and "_passed_" in m.subject:
                return await m.ack()  # no event: it takes up a lost sequence
            read(e, m.data)
            if e.metadata.get("retry_for") not in (None, "", self._bus.durable):
                return await m.ack()  # another's dead letter
            if e.attempt > len(self._backoff) + 1:
                raise Permanent("crashed on last attempt", "PLUGIN_ERROR")
            # The k-th output always has the same ID, by which a repeat after a crash is recognised.
            for k, out in enumerate(await self._handle(e, partial(self._is_older, e)), 1):
                await self._bus.publish(e, out, "expired/1" if is_notice(out.subject) else str(k))
            await m.ack()
        except Exception as err:
            await self._failed(m, e, err)

    async def _beat(self, m: Msg) -> None:
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            await m.in_progress()

    async def _is_older(self, e: Stored, seconds: float) -> bool:
        if e.waited <= seconds:
            return False
        m = await self._bus.nc.request(f"$JS.API.CONSUMER.INFO.{self._stream}.{self._bus.durable}", b"", timeout=5)
        return datetime.fromisoformat(json.loads(m.data)["ts"]) - e.at > timedelta(seconds=seconds)  # this clock may be wrong

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
                await self._bus.publish(e, letter, "dead")
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
        try:
            await self._bus.publish(e, reply_to(e, f"{user}: {typed} {told}", {"result": result}), f"{result}/1")
        except Exception as err:
            log.warning("user not told that a command failed: %s", text_of(err))


def notice(bus: Bus, e: Stored, type: str, **more: Any) -> Output:
    """An event of the plugin's own about what became of an event."""
    stream, seq = e.ref.split(":")
    data = {"event_type": type, "consumer": bus.durable, "stream": stream, "seq": int(seq), "subject": e.subject, **more}
    return Output(f"plugin.{bus.name}.event.{type}", data)
