"""What a handler gets."""

import hashlib
import json
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Mapping

from .bus import Bus, Origin
from .database import Collection
from .errors import Permanent

RESERVED = ("dead_letter", "dead_letter_retried", "dead_letter_dropped", "expired", "denied")


@dataclass
class Output:
    subject: str
    data: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Stored:
    subject: str
    correlation_id: str
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ref: str | None = None  # STREAM:SEQ; of a request, none
    at: datetime = field(default_factory=lambda: datetime.now(UTC))  # when it was stored
    attempt: int = 1
    waited: float = 0  # seconds between then and this delivery

    def origin(self) -> Origin:
        attempt = {"attempt": self.attempt} if self.attempt > 1 else {}
        return Origin(self.correlation_id, self.ref, self.headers, {"waited": self.waited, **attempt} if self.ref else {})


class MessageIds:
    """Numbers what is published because of an event, the same when it is redelivered."""

    def __init__(self, prefix: str):
        self._prefix, self._counts = prefix, {}

    def count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    def next(self, kind: str) -> str:
        kind = kind if re.fullmatch(r"[!-~]*", kind) else digest(kind)  # a header is a line of ASCII
        return f"{self._prefix}/{kind}{'/' if kind else ''}{self.count(kind)}"


class Context:
    """The event, and what a handler may do with it.

    What it replies, sends and emits is stored once the handler has returned, and then the event is
    acknowledged. The same event may come again after a crash: take time from `at` and chance from
    `random`.
    """

    def __init__(self, bus: Bus, event: Stored, settings: dict[str, Any]):
        self.bus, self.event, self.settings = bus, event, settings
        self.outputs: list[Output] = []
        self.ids = MessageIds(f"{bus.durable}/{event.ref}")
        self.plugin, self.ref, self.at, self.data = bus.name, event.ref, event.at, event.data
        self.channel, self.user = str(event.data.get("channel") or ""), str(event.data.get("user") or "")
        self.command, self.args = event.data.get("command"), list(event.data.get("args") or [])
        self.rank = event.data.get("rank", 0)
        self.random = random.Random(f"{self.plugin}/{event.correlation_id}/{self.ref}/{self.at.timestamp()}")
        self._timers: dict[str, int] = {}

    @property
    def live(self) -> bool:
        """Of a chat line: whether to react. Not to the bot's own, those before it came, and those of shadow-muted users."""
        echo = str(self.event.metadata.get("causation_id", "")).startswith("CYTUBE:")
        return not echo and self.event.metadata.get("backfill") is not True and self.data.get("shadow") is not True

    def text(self, skip: int = 0) -> str:
        """What was typed behind the command and its first words."""
        raw = str(self.data.get("raw_message") or "").strip()
        rests = [raw[m.end() :] for m in re.finditer(r"\s+", raw)]
        bare = lambda s: re.sub(r"[\"'\\\s]", "", s)
        for i, rest in enumerate(rests):
            if bare(rest) == bare("".join(self.args)):
                return (rests[i + skip :] or [""])[0]
        return " ".join(self.args[skip:])

    def reply(self, message: str) -> None:
        """Says something where the event comes from: in the channel, or to who typed a private command."""
        if self.data.get("private"):
            return self.pm(self.user, message)
        self.send("cytube.send.chat", message=message)

    def pm(self, to: str, message: str) -> None:
        self.send("cytube.send.pm", to=to, message=message)

    def send(self, subject: str, /, **data: Any) -> None:
        """Asks something of the channel, as in c.send("cytube.send.media.queue", url=url, **{"for": c.user})."""
        self._output(subject, {"channel": self.channel, **data} if self.channel else data)

    def emit(self, type: str, /, **data: Any) -> None:
        """Emits an event of the plugin's own, plugin.{name}.event.{type}."""
        self._output(*self._own(type, data))

    async def after(self, seconds: float, timer: str, type: str, /, **data: Any) -> None:
        """Stores an event of the plugin's own in so many seconds, also if the plugin is restarted meanwhile. A timer has a name."""
        name, (subject, payload) = token(timer), self._own(type, data)
        due = (self.at + timedelta(seconds=seconds)).isoformat()
        id = self.bus.sign(self.ids.next(f"timer/{name}")) if self.ref else ""
        h = self.bus.headers(self.event.origin(), Rosey_Timer=name, Rosey_Timer_At=due, Nats_Msg_Id=id)
        self._timers[name] = (await self.bus.provision("timer", self.bus.envelope(self.event.origin(), subject, payload), h))["seq"]

    async def cancel(self, timer: str) -> None:
        """Cancels the timer of that name, unless a later event has set it."""
        name = token(timer)
        own = str(self._timers.get(name, "true")) if self.ref else "false"
        h = self.bus.headers(self.event.origin(), Rosey_Timer=name, Rosey_Timer_Keep_Own=own, Rosey_Timer_Cause=self.ref or "")
        await self.bus.provision("cancel-timer", b"{}", h)

    async def request(self, subject: str, data: Mapping[str, Any] | None = None, *, timeout: float = 5, kind: str = "request") -> dict[str, Any]:
        """Asks another plugin or service, and returns its reply. It raises what the reply reports, or TIMEOUT."""
        return await self.bus.request(self.event.origin(), subject, data or {}, self.ids.next(kind) if self.ref else None, timeout)

    def db(self, collection: str) -> Collection:
        return Collection(self, collection)

    def _own(self, type: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if not re.fullmatch(r"[\w-]{1,64}", type, re.ASCII) or type in RESERVED:
            raise Permanent(f'"{type}" is no type for an event of the plugin\'s own')
        return f"plugin.{self.plugin}.event.{type}", {"event_type": type, **data}

    def _output(self, subject: str, data: dict[str, Any]) -> None:
        for name in ("message", "emote"):
            if data.get(name) == "":
                raise Permanent(f"{subject}: {name} must not be empty")
        if len(json.dumps(data, ensure_ascii=False).encode(errors="replace")) + 2048 > self.bus.nc.max_payload:
            raise Permanent(f"{subject}: its data are more than the server takes")
        self.outputs.append(Output(subject, data))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def token(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,64}", name, re.ASCII) else f"x-{digest(name)}"
