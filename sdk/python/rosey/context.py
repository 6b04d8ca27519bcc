"""What a handler gets."""

import json
import random
import re
from collections import Counter
from datetime import timedelta
from typing import Any, Mapping

from .bus import Bus
from .database import Collection
from .errors import Permanent
from .event import Output, Stored, digest, reply_to

RESERVED = ("dead_letter", "dead_letter_retried", "dead_letter_dropped", "expired", "denied")


class Context:
    """The event, and what a handler may do with it.

    What it replies, sends and emits is stored once the handler has returned, and then the event is
    acknowledged. The same event may come again after a crash: take time from `at` and chance from
    `random`.
    """

    def __init__(self, bus: Bus, event: Stored, settings: dict[str, Any]):
        self.bus, self.event, self.settings = bus, event, settings
        self.outputs: list[Output] = []
        self.plugin, self.ref, self.at, self.data = bus.name, event.ref, event.at, event.data
        self.channel, self.user = str(event.data.get("channel") or ""), str(event.data.get("user") or "")
        self.command, self.args = event.data.get("command"), list(event.data.get("args") or [])
        self.rank = event.data.get("rank", 0)
        self.random = random.Random(f"{self.plugin}/{event.correlation_id}/{self.ref}/{self.at.timestamp()}")
        self._counts: Counter[str] = Counter()
        self._timers: dict[str, int] = {}

    @property
    def live(self) -> bool:
        """Of a chat line: whether to react. Not to the bot's own, those before it came, and those of shadow-muted users."""
        echo = str(self.event.metadata.get("causation_id", "")).startswith("CYTUBE:")
        return not echo and self.event.metadata.get("backfill") is not True and self.data.get("shadow") is not True

    def text(self, skip: int = 0) -> str:
        """What was typed after the command and its first words."""
        raw = str(self.data.get("raw_message") or "").strip()
        rests = [raw[m.end() :] for m in re.finditer(r"\s+", raw)]
        bare = lambda s: re.sub(r"[\"'\\\s]", "", s)
        for i, rest in enumerate(rests):
            if bare(rest) == bare("".join(self.args)):
                return (rests[i + skip :] or [""])[0]
        return " ".join(self.args[skip:])

    def reply(self, message: str) -> None:
        """Says something where the event comes from: in the channel, or to who typed a private command."""
        self._output(reply_to(self.event, message))

    def pm(self, to: str, message: str) -> None:
        self.send("cytube.send.pm", to=to, message=message)

    def send(self, subject: str, /, **data: Any) -> None:
        """Asks something of the channel, as in c.send("cytube.send.media.queue", url=url, **{"for": c.user})."""
        self._output(Output(subject, {"channel": self.channel, **data} if self.channel else data))

    def emit(self, type: str, /, **data: Any) -> None:
        """Emits an event of the plugin's own, plugin.{name}.event.{type}."""
        self._output(self._own(type, data))

    async def after(self, seconds: float, timer: str, type: str, /, **data: Any) -> None:
        """Stores an event of the plugin's own in so many seconds, also if the plugin is restarted meanwhile. A timer has a name."""
        name, due = token(timer), (self.at + timedelta(seconds=seconds)).isoformat()
        id = self.bus.message_id(self.event, self._numbered(f"timer/{name}")) if self.ref else ""
        h = self.bus.headers(self.event, Rosey_Timer=name, Rosey_Timer_At=due, Nats_Msg_Id=id)
        self._timers[name] = (await self.bus.provision("timer", self.bus.envelope(self.event, self._own(type, data)), h))["seq"]

    async def cancel(self, timer: str) -> None:
        """Cancels the timer of that name, unless a later event has set it."""
        name = token(timer)
        own = str(self._timers.get(name, "true")) if self.ref else "false"
        h = self.bus.headers(self.event, Rosey_Timer=name, Rosey_Timer_Keep_Own=own, Rosey_Timer_Cause=self.ref or "")
        await self.bus.provision("cancel-timer", b"{}", h)

    async def request(self, subject: str, data: Mapping[str, Any] | None = None, *, timeout: float = 5, kind: str = "request") -> dict[str, Any]:
        """Asks another plugin or service, and returns its reply. It raises what the reply reports, or TIMEOUT."""
        return await self.bus.request(self.event, subject, data or {}, self._numbered(kind), timeout)

    def db(self, collection: str) -> Collection:
        return Collection(self, collection)

    def count(self, kind: str) -> int:
        """How often it was called with that text, the same when the event is redelivered."""
        self._counts[kind] += 1
        return self._counts[kind]

    def _numbered(self, kind: str) -> str:
        name = kind if re.fullmatch(r"[!-~]+", kind) else digest(kind)  # a header is a line of ASCII
        return f"{name}/{self.count(name)}"

    def _own(self, type: str, data: dict[str, Any]) -> Output:
        if not re.fullmatch(r"[\w-]{1,64}", type, re.ASCII) or type in RESERVED:
            raise Permanent(f'"{type}" is no type for an event of the plugin\'s own')
        return Output(f"plugin.{self.plugin}.event.{type}", {"event_type": type, **data})

    def _output(self, out: Output) -> None:
        if "" in (out.data.get("message"), out.data.get("emote")):
            raise Permanent(f"{out.subject}: message and emote must not be empty")
        if len(json.dumps(out.data, ensure_ascii=False).encode(errors="replace")) + 2048 > self.bus.nc.max_payload:
            raise Permanent(f"{out.subject}: its data are more than the server takes")
        self.outputs.append(out)


def token(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,64}", name, re.ASCII) else f"x-{digest(name)}"
