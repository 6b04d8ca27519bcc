"""The plugin that the tests run in a process of its own."""

import asyncio
import math
import os
import signal

from rosey import Plugin, RoseyError, invalid

plugin = Plugin(
    "probe",
    version="1.0",
    max_age=float(os.environ.get("PROBE_MAX_AGE", 600)),
    backoff=(0.1, 0.1),
    settings={"greeting": {"type": "string", "default": "hello"}, "times": {"type": "integer", "default": 1, "minimum": 1, "maximum": 3}},
)


@plugin.command("hello", aliases=("hi",), usage="[NAME]", description="says hello")
def hello(c):
    for _ in range(c.settings["times"]):
        c.reply(f"{c.settings['greeting']} {c.text() or c.user}")


@plugin.command("count")
async def count(c):
    def change(r):
        r["n"] += 1
        c.reply(f"counted {r['n']}")

    await c.db("counts").change("all", {"n": 0}, change)
    if c.args[:1] == ["die"] and c.event.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@plugin.command("mistyped")
def mistyped(c):
    raise invalid("write it right")


@plugin.command("flaky")
def flaky(c):
    if c.event.attempt == 1:
        raise ValueError("not yet")
    c.reply(f"worked at {c.event.attempt}")


@plugin.command("broken")
def broken(c):
    raise ValueError("never works")


@plugin.command("slow", timeout=0.2)
async def slow(c):
    await asyncio.sleep(1000)


@plugin.command("pause")
async def pause(c):
    try:
        await c.request("plugin.nobody.request", timeout=4)
    except RoseyError as err:
        c.reply(err.code)


@plugin.command("tea")
async def tea(c):
    await c.after(1, "tea", "tea", channel=c.channel, user=c.user)
    await c.after(1, "coffee", "coffee", channel=c.channel)
    await c.cancel("coffee")


@plugin.command("lots")
def lots(c):
    c.reply(f"{c.random.random()} {c.at}")


@plugin.command("vote")
def vote(c):
    c.send("cytube.send.poll.vote", option=1)


@plugin.command("store")
async def store(c):
    db = c.db("things")
    id = await db.add({"name": "a", "likes": 1})
    await db.update(id, {"$inc": {"likes": 1}})
    records, number = await db.find({"name": "a"}, order_by="likes DESC")
    try:
        await db.get(99)
    except RoseyError as err:
        c.reply(f"{id} {records[0]['likes']} {number} {err.code}")
    await db.delete(id)


@plugin.on("plugin.probe.event.tea", max_age=math.inf)
def due(c):
    c.reply(f"tea for {c.data['user']}")


@plugin.on("plugin.other.event.thing")
def thing(c):
    c.reply(f"saw {c.data['thing']}")


@plugin.outcome
def outcome(c):
    c.emit("outcome", status=c.data["status"])


@plugin.request("double")
def double(c):
    if not isinstance(c.data.get("n"), int):
        raise invalid("n must be a number")
    return {"n": c.data["n"] * 2}


plugin.run()
