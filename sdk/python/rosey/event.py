"""What is published and what is handled."""

import hashlib
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Mapping

from nats.aio.msg import Msg

from .errors import Permanent


@dataclass
class Output:
    """An event to publish."""

    subject: str
    data: Mapping[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Stored:
    """An event that is handled, or a request."""

    subject: str
    correlation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ref: str | None = None  # STREAM:SEQ; of a request, none
    at: datetime = field(default_factory=lambda: datetime.now(UTC))  # when it was stored
    attempt: int = 1
    waited: float = 0  # seconds between then and this delivery


def delivered(m: Msg) -> Stored:
    """What is known of an event before its body is read."""
    t = m.reply.split(".")
    stream, _, attempt, seq, _, stamp = (t[4:] if len(t) > 9 else t[2:])[:6]
    at, ref, headers = datetime.fromtimestamp(int(stamp) / 1e9, UTC), f"{stream}:{seq}", m.headers or {}
    seconds, nanos = divmod(int(stamp), 10**9)
    implied = f"{ref}@{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}" + f".{nanos:09d}".rstrip("0").rstrip(".") + "Z"
    waited = round(max(time.time() - at.timestamp(), 0), 6)
    return Stored(m.subject, correlation_of(None, headers, implied), headers=headers, ref=ref, at=at, attempt=int(attempt), waited=waited)


def read(e: Stored, data: bytes) -> None:
    """Reads a body into e: an envelope, or the bare payload."""
    try:
        body = json.loads(data)
    except ValueError as err:
        raise Permanent(f"malformed event: {err}") from None
    if not isinstance(body, dict):
        raise Permanent("malformed event: the body must be a JSON object")
    envelope = body if "subject" in body and "data" in body else {"subject": e.subject, "data": body}
    if envelope["subject"] != e.subject:
        raise Permanent(f'malformed event: subject is "{envelope["subject"]}", but the event came on "{e.subject}"')
    if not isinstance(envelope["data"], dict):
        raise Permanent("malformed event: data must be an object")
    e.data, e.metadata = envelope["data"], dict(envelope.get("metadata") or {})
    if publisher := e.headers.get("Rosey-Publisher"):
        e.metadata["source"] = f"plugin-{publisher}"  # proven by the server
    e.correlation_id = correlation_of(envelope.get("correlation_id"), e.headers, e.correlation_id)


def reply_to(e: Stored, message: str, metadata: dict[str, Any] | None = None) -> Output:
    """Says something where an event comes from: in the channel, or to who typed a private command."""
    private = {"to": e.data.get("user")} if e.data.get("private") else {}
    channel = {"channel": e.data["channel"]} if e.data.get("channel") else {}
    return Output(f"cytube.send.{'pm' if private else 'chat'}", {**channel, **private, "message": message}, metadata or {})


def is_notice(subject: Any) -> bool:
    """Whether a subject is of what the SDKs say about what became of an event."""
    return re.fullmatch(r"plugin\.[^.]+\.event\.(dead_letter|expired|denied)", str(subject)) is not None


def widen(pattern: str) -> str:
    """The contract writes cytube.* for all of cytube.>."""
    return re.sub(r"^(cytube|plugin|platform|database)\.\*$", r"\1.>", pattern)


def matches(pattern: str, subject: str) -> bool:
    parts = ({"*": r"[^.]+", ">": ".+"}.get(p) or re.escape(p) for p in widen(pattern).split("."))
    return re.fullmatch(r"\.".join(parts), subject) is not None


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def trace_id(correlation_id: str) -> str:
    """The trace ID that a correlation ID stands for."""
    digits = correlation_id.replace("-", "").lower()
    return digits if re.fullmatch(r"[0-9a-f]{32}", digits) and digits.strip("0") else digest(correlation_id)


def correlation_of(body: Any, headers: Mapping[str, str], implied: str) -> str:
    """The correlation ID of an event: its body's, its header's, its trace's, or that of its position."""
    trace = re.match(r"\w\w-(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})-", headers.get("traceparent", ""))
    for id in (body, headers.get("Rosey-Correlation-Id"), "-".join(trace.groups()) if trace else None):
        if isinstance(id, str) and 0 < len(id.encode()) <= 256:
            return id
    return implied
