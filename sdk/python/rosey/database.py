"""The records of a collection."""

import json
import time
from typing import TYPE_CHECKING, Any, Callable

from .errors import RoseyError
from .event import Output

if TYPE_CHECKING:
    from .context import Context

WINDOW = 20 * 60_000  # ms that a message ID is remembered for


class Collection:
    """The records of one collection. The writes of a redelivered event are recognised."""

    def __init__(self, c: "Context", name: str):
        self._c, self._name = c, name

    async def get(self, id: int | str) -> dict[str, Any]:
        """A record; RECORD_NOT_FOUND if there is none."""
        return (await self._ask("get", id=id))["data"]

    async def set(self, id: int | str | None, data: dict[str, Any]) -> int | str:
        """Creates or replaces a record."""
        return (await self._ask("set", f"set/{self._name}/{'' if id is None else id}", id=id, data=data))["id"]

    async def add(self, data: dict[str, Any]) -> int | str:
        """Creates a record under the next number, which it returns."""
        return await self.set(None, data)

    async def find(self, filter: dict[str, Any] | None = None, **query: Any) -> tuple[list[dict[str, Any]], int]:
        """The matching records and how many match in all; limit, offset and order_by as in docs/database.md."""
        reply = await self._ask("query", **({"filter": filter} if filter else {}), **query)
        return reply["data"], reply["count"]

    async def count(self, filter: dict[str, Any] | None = None) -> int:
        return (await self.find(filter, limit=0))[1]

    async def update(self, id: int | str, ops: dict[str, dict[str, Any]]) -> None:
        """Changes fields of a record at once: {"$inc": {"likes": 1}}, and $set, $unset, $max, $min, $push."""
        await self._ask("update", f"update/{self._name}/{id}", id=id, ops=ops)

    async def delete(self, id: int | str) -> None:
        await self._ask("delete", f"delete/{self._name}/{id}", id=id)

    async def change(self, id: int | str, empty: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Changes a record once for the event being handled.

        Reads it (`empty` if there is none), has `change` modify it, and keeps with it what `change`
        replied, sent and emitted, which a redelivery says again without a call. `change` is called
        again where others wrote in between.
        """
        c = self._c
        key = f"{c.plugin}/{c.ref}/{c.count(f'change/{self._name}/{id}')}"
        for _ in range(100):
            try:
                reply = await self._ask("get", id=id)
            except RoseyError as err:
                if err.code != "RECORD_NOT_FOUND":
                    raise
                reply = {"data": {}, "revision": 0}
            record = {**json.loads(json.dumps(empty)), **reply["data"]}
            handled = record.pop("_handled", {})
            if c.ref and key in handled:
                if time.time() * 1000 - handled[key]["at"] < WINDOW - 60_000:
                    c.outputs += [Output(o["subject"], o["data"]) for o in handled[key].get("out", [])]
                return record
            before, was = len(c.outputs), json.dumps(record)
            change(record)
            out = [{"subject": o.subject, "data": o.data} for o in c.outputs[before:]]
            if not out and json.dumps(record) == was:
                return record
            done = {"_handled": _prune({**handled, key: {"at": int(time.time() * 1000), "out": out}})} if c.ref else {}
            try:
                kind = f"change/{self._name}/{id}/{reply['revision']}"
                await self._ask("set", kind, id=id, data={**record, **done}, if_revision=reply["revision"])
                return record
            except RoseyError as err:
                if err.code != "DATABASE_ERROR" or "if_revision" not in err.details:
                    raise
                del c.outputs[before:]
        raise RoseyError("DATABASE_ERROR", f"record {id} of {self._name} is changed by others all the time")

    async def _ask(self, op: str, kind: str = "request", **payload: Any) -> dict[str, Any]:
        return await self._c.request(f"database.{op}", {"collection": self._name, **payload}, kind=kind)


def _prune(done: dict[str, Any]) -> dict[str, Any]:
    """Drops what no redelivery needs, and keeps the record small."""
    now, kept = time.time() * 1000, {}
    for i, (key, h) in enumerate(sorted(done.items(), key=lambda item: -item[1]["at"])):
        old = now - h["at"] > WINDOW
        if i < 16 or i < 256 and not old:
            kept[key] = {"at": h["at"]} if i >= 64 or old else h
    return kept
