"""Patterns of subjects, and the streams that hold them."""

import re

from .errors import RoseyError

STREAMS = {
    "CYTUBE": ["cytube.>"],
    "PLUGIN": ["plugin.*.command", "plugin.*.event", "plugin.*.event.>"],
    "PLATFORM": ["platform.>"],
}


def intersect(a: str, b: str) -> str | None:
    """The narrowest pattern that matches what both match, if there is one."""
    xs, ys, out = a.split("."), b.split("."), []
    for i in range(max(len(xs), len(ys))):
        x, y = (xs[i : i + 1] or [None])[0], (ys[i : i + 1] or [None])[0]
        if x is None or y is None:
            return None
        if ">" in (x, y):
            return ".".join(out + (ys[i:] if x == ">" else xs[i:]))
        if x != y and "*" not in (x, y):
            return None
        out.append(y if x == "*" else x)
    return ".".join(out)


def widen(pattern: str) -> str:
    """The contract writes cytube.* for all of cytube.>."""
    return re.sub(r"^(cytube|plugin|platform|database)\.\*$", r"\1.>", pattern)


def matches(pattern: str, subject: str) -> bool:
    return intersect(widen(pattern), subject) == subject


def filters(patterns: list[str]) -> dict[str, list[str]]:
    """The filters of the durable consumers that read patterns, by stream."""
    found: dict[str, list[str]] = {}
    for pattern in patterns:
        narrowed = [(s, f) for s, subjects in STREAMS.items() for p in subjects if (f := intersect(widen(pattern), p))]
        if not narrowed:
            raise RoseyError("INVALID_INPUT", f'no stream holds "{pattern}": use subjects such as cytube.> or plugin.*.event.*')
        for stream, f in narrowed:
            kept = found.setdefault(stream, [])
            if not any(intersect(k, f) == f for k in kept):
                found[stream] = [k for k in kept if intersect(f, k) != k] + [f]
    return found
