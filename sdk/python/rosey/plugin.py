"""A plugin: its commands, the events that it handles and the requests that it answers."""

import asyncio
import inspect
import json
import logging
import os
import re
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Awaitable, Callable

import nats.micro
from nats.aio.msg import Msg
from nats.micro.service import SEMVER_REGEX

from . import contract
from .bus import Bus
from .consumer import ACK_WAIT, IsOlder, Reader, notice
from .context import Context
from .errors import ANSWERS, Permanent, RoseyError, TooLate, code_of, invalid, text_of
from .event import Output, Stored, matches, read, reply_to

log = logging.getLogger("rosey")

Handler = Callable[[Context], Any]


class Plugin:
    """ROSEY_PLUGIN, where it is set, is the name that the plugin runs under.

    settings are JSON Schemas with defaults, {"greeting": {"type": "string", "default": "Hello"}}; collections
    and emits say what records and own events hold of people; max_age and backoff are seconds.
    """

    def __init__(self, name: str, *, version: str, description: str = "", min_rank: int = 0, max_age: float = 600, settings: dict[str, dict[str, Any]] | None = None,
                 collections: dict[str, Any] | None = None, emits: dict[str, Any] | None = None, capabilities: list[str] | None = None, backoff: tuple[float, ...] = (1, 5, 30, 120)):
        self.name = os.environ.get("ROSEY_PLUGIN") or name
        if not re.fullmatch(r"[\w-]{1,64}", self.name, re.ASCII):
            raise invalid(f'"{self.name}" is no plugin\'s name: it is 1 to 64 of A-Z a-z 0-9 _ -')
        self.version, self.description, self.min_rank, self.max_age, self.backoff = version, description, min_rank, min(max_age, 900), list(backoff)
        self.settings, self._optional = settings or {}, {"collections": collections, "emits": emits, "capabilities": capabilities}
        self._commands: dict[str, tuple[Handler, dict[str, Any]]] = {}  # with what is registered of them, and their aliases
        self._subscriptions: list[tuple[str, Handler, float]] = []
        self._endpoints: dict[str, Handler] = {}
        self._start: Handler | None = None
        self._serving, self._stopped, self._ended = False, False, asyncio.Event()

    def command(self, name: str, *, description: str = "", usage: str = "", aliases: tuple[str, ...] = (), min_rank: int | None = None,
                timeout: float | None = None) -> Callable[[Handler], Handler]:
        """Handles a command. An attempt may take timeout seconds, 30 unless given.

        A RoseyError of code INVALID_INPUT, RECORD_NOT_FOUND, PERMISSION_DENIED or PLUGIN_ERROR is the answer.
        """

        def register(handler: Handler) -> Handler:
            for n in (name, *aliases):
                optional = {"min_rank": min_rank, "timeout": timeout, "alias_of": None if n == name else name}
                registered = {"name": n, "description": description, "usage": f"{n} {usage}".strip(), **_given(optional)}
                self._commands[n.lower()] = handler, registered
            return handler

        return register

    def on(self, subject: str, max_age: float | None = None) -> Callable[[Handler], Handler]:
        """Handles events, such as cytube.user.join. Older ones than max_age are skipped; math.inf is for timers."""
        age = self.max_age if max_age is None else max_age
        return lambda handler: self._subscriptions.append((subject, handler, age)) or handler

    def outcome(self, handler: Handler) -> Handler:
        """Handles what came of what the plugin has asked of a channel."""
        self.on("cytube.delivery")(lambda c: handler(c) if c.data.get("source") == f"plugin-{self.name}" else None)
        return handler

    def request(self, action: str = "") -> Callable[[Handler], Handler]:
        """Answers plugin.{name}.request.{action}, or plugin.{name}.request, with what the handler returns."""
        subject = f"plugin.{self.name}.request{'.' + action if action else ''}"
        return lambda handler: self._endpoints.setdefault(subject, handler)

    def start(self, handler: Handler) -> Handler:
        """Is called each time before the plugin handles anything."""
        self._start = handler
        return handler

    def run(self) -> None:
        """Runs the plugin until SIGTERM, SIGINT or stop."""
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=f"{self.name}: %(message)s")
        asyncio.run(self.main())

    def stop(self) -> None:
        self._stopped = True
        self._ended.set()

    async def main(self) -> None:
        """Runs the plugin in a running loop. After a failure it starts again."""
        for s in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(s, self.stop)
        self._bus, since, wait = await Bus.connect(self.name), datetime.now(UTC), 1.0
        while not self._stopped:
            started = time.monotonic()
            self._ended.clear()
            try:
                await self._once(since)
            except Exception as err:
                if self._bus.nc.is_closed:
                    raise
                wait = 1.0 if time.monotonic() - started > 60 else wait
                log.error("plugin stopped, restarting after %gs: %s", wait, text_of(err))
                if not self._stopped:
                    await asyncio.wait({asyncio.create_task(self._ended.wait())}, timeout=wait)
                wait = min(wait * 2, 60)
        await (self._bus.nc.drain() if self._bus.nc.is_connected else self._bus.nc.close())

    def _registration(self) -> dict[str, Any]:
        commands = [registered for _, registered in self._commands.values()]
        return {
            "name": self.name, "version": self.version, "contract": contract.VERSION, "commands": commands, "min_rank": self.min_rank, "description": self.description,
            "usage": " | ".join(c["usage"] for c in commands if "alias_of" not in c), "max_age": self.max_age, "events": [s for s, _, _ in self._subscriptions],
            **_given({**self._optional, "settings": {"type": "object", "properties": self.settings} if self.settings else None}),
        }

    async def _once(self, since: datetime) -> None:
        """Runs until it is stopped or told to restart."""
        # Before it starts, so that commands for a plugin that fails to start are kept.
        bus = self._bus
        registration = json.dumps(self._registration(), ensure_ascii=False).encode()
        if await bus.read("plugins", self.name) != registration:
            await bus.js.publish(f"$KV.plugins.{self.name}", registration)
        if self._start:
            await _result(self._start(await self._context(Stored(""))))
        if not self._serving:
            await self._serve()
        readers = [Reader(bus, stream, self.backoff, self._handle) for stream in await self._open(since)]
        keep, running = asyncio.create_task(self._keep(registration)), [asyncio.create_task(r.run()) for r in readers]
        log.info("plugin runs")
        try:
            done, _ = await asyncio.wait({asyncio.create_task(self._ended.wait()), *running}, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            keep.cancel()
            for r in readers:
                r.stop()
            await asyncio.gather(*running, return_exceptions=True)

    async def _open(self, since: datetime) -> list[str]:
        """Has the bot open the durables, and returns on which streams: it knows what was handled, and whether the plugin is paused."""
        return (await self._bus.provision("durable", json.dumps({
            "subjects": [f"plugin.{self.name}.command", *(s for s, _, _ in self._subscriptions)],
            "since": since.isoformat(), "commands_since": (since - timedelta(seconds=self.max_age)).isoformat(),
            "ack_wait": ACK_WAIT * 10**9, "max_deliver": len(self.backoff) + 11, "max_ack_pending": 1000,
        }).encode()))["streams"]

    async def _keep(self, registration: bytes) -> None:
        """Registers again when the registration is gone, as after a bot's start on an empty store."""
        while True:
            await asyncio.sleep(2)
            with suppress(Exception):  # NATS is away, or the bucket until the bot has made it again
                if await self._bus.read("plugins", self.name) is None:
                    await self._bus.js.publish(f"$KV.plugins.{self.name}", registration)

    async def _settings(self, channel: str) -> dict[str, Any]:
        """The settings in a channel as they are now: the channel's, else those of all channels, else the defaults."""
        values = {key: s.get("default") for key, s in self.settings.items()}
        keys = [self.name] + ([f"{self.name}.{channel.lower()}"] if re.fullmatch(r"[\w-]{1,64}", channel, re.ASCII) else [])
        for key in keys if values else []:
            values.update(json.loads(await self._bus.read("settings", key) or b'{"values": {}}')["values"])
        for key in [k for k, s in self.settings.items() if not _fits(s, values[k])]:
            log.warning("setting %s not valid, default used", key)
            values[key] = self.settings[key].get("default")
        return {key: values[key] for key in self.settings}

    async def _context(self, e: Stored) -> Context:
        return Context(self._bus, e, await self._settings(str(e.data.get("channel") or "")))

    async def _handle(self, e: Stored, is_older: IsOlder) -> list[Output]:
        if e.subject == f"plugin.{self.name}.command":
            return await self._run_command(e, is_older)
        for subject, handler, max_age in self._subscriptions:
            if matches(subject, e.subject):
                return [] if await is_older(max_age) else await self._call(e, handler, None)
        return []

    async def _run_command(self, e: Stored, is_older: IsOlder) -> list[Output]:
        name, user = e.data.get("command"), e.data.get("user")
        if not isinstance(name, str) or not isinstance(user, str) or not name or not user:
            raise Permanent("malformed event: command and user are required")
        if await is_older(self.max_age):
            return [notice(self._bus, e, "expired", age=e.waited, max_age=self.max_age)]
        if name.lower() not in self._commands:
            raise Permanent(f'plugin {self.name} has no command "{name}"')
        handler, registered = self._commands[name.lower()]
        try:
            return await self._call(e, handler, float(e.metadata.get("timeout") or registered.get("timeout") or 30))
        except RoseyError as err:
            if isinstance(err, Permanent) or err.code not in ANSWERS:
                raise
            return [reply_to(e, f"❌ {err}", {"error_code": err.code})]

    async def _call(self, e: Stored, handler: Handler, seconds: float | None) -> list[Output]:
        c, limit = await self._context(e), asyncio.timeout(seconds)
        try:
            async with limit:
                await _result(handler(c))
        except TimeoutError:
            if limit.expired():
                raise TooLate("TIMEOUT", f"took longer than {seconds:g}s") from None
            raise
        return c.outputs

    async def _serve(self) -> None:
        """Answers requests, what lists the services that run, and a restart."""

        async def restart(m: Msg) -> None:
            if not m.data and not m.headers:
                self._ended.set()

        self._serving, nc = True, self._bus.nc
        version = self.version if SEMVER_REGEX.match(self.version) else "0.0.0"  # a service's is semantic
        await nc.subscribe(f"rosey.plugin.{self.name}.restart", cb=restart)
        for subject, handler in self._endpoints.items():
            await nc.subscribe(subject, queue="q", cb=partial(self._answer, handler))
        await nats.micro.add_service(nc, name=self._bus.durable, version=version, description=self.description, metadata={"plugin": self.name})

    async def _answer(self, handler: Handler, m: Msg) -> None:
        if not m.reply or re.match(r"\$|(cytube|plugin|platform|database|rosey)\.", m.reply):
            return  # a subject that means something
        headers, e = {}, Stored(m.subject, headers=m.headers or {})
        try:
            read(e, m.data)
            c = await self._context(e)
            reply = {"success": True, **(await _result(handler(c)) or {})}
            for out in c.outputs:
                await self._bus.publish(e, out)
        except Exception as err:
            log.warning("request %s failed: %s", m.subject, text_of(err))
            reply = {"success": False, "error": text_of(err), "error_code": code_of(err), "details": getattr(err, "details", {})}
            headers = {"Nats-Service-Error": text_of(err).split("\n")[0].encode("ascii", "replace").decode(), "Nats-Service-Error-Code": code_of(err)}
        await self._bus.nc.publish(m.reply, json.dumps(reply, ensure_ascii=False).encode(), headers=headers or None)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


KINDS: dict[str, Any] = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "array": list}


def _fits(s: dict[str, Any], v: Any) -> bool:
    if isinstance(v, float) and v.is_integer() and s["type"] == "integer":
        v = int(v)
    if not isinstance(v, KINDS[s["type"]]) or isinstance(v, bool) != (s["type"] == "boolean") or v not in s.get("enum", [v]):
        return False
    return not isinstance(v, (int, float)) or s.get("minimum", v) <= v <= s.get("maximum", v)
