// The plugin that the tests run in a process of its own.
import { invalid, Plugin, RoseyError } from "../src/index.js";

const plugin = new Plugin("probe", {
  version: "1.0.0",
  maxAge: Number(process.env.PROBE_MAX_AGE ?? 600),
  backoff: [0.1, 0.1],
  settings: { greeting: { type: "string", default: "hello" }, times: { type: "integer", default: 1, minimum: 1, maximum: 3 } },
});

plugin.command("hello", { aliases: ["hi"], usage: "[NAME]", description: "says hello" }, (c) => {
  for (let i = 0; i < c.settings.times; i++) c.reply(`${c.settings.greeting} ${c.text() || c.user}`);
});
plugin.command("count", {}, async (c) => {
  await c.db("counts").change("all", { n: 0 }, (r) => { r.n++; c.reply(`counted ${r.n}`); });
  if (c.args[0] === "die" && c.event.attempt === 1) process.kill(process.pid, "SIGKILL");
});
plugin.command("mistyped", {}, () => { throw invalid("write it right"); });
plugin.command("flaky", {}, (c) => {
  if (c.event.attempt === 1) throw new Error("not yet");
  c.reply(`worked at ${c.event.attempt}`);
});
plugin.command("broken", {}, () => { throw new Error("never works"); });
plugin.command("slow", { timeout: 0.2 }, () => new Promise(() => {}));
plugin.command("pause", {}, async (c) => {
  await c.request("plugin.nobody.request", {}, { timeout: 4_000 }).catch((err: RoseyError) => c.reply(err.code));
});
plugin.command("tea", {}, async (c) => {
  await c.after(1, "tea", "tea", { channel: c.channel, user: c.user });
  await c.after(1, "coffee", "coffee", { channel: c.channel });
  await c.cancel("coffee");
});
plugin.command("lots", {}, (c) => c.reply([c.random(), c.random(), c.at.getTime()].join(" ")));
plugin.command("store", {}, async (c) => {
  const db = c.db("things"), id = await db.add({ name: "a", likes: 1 });
  await db.update(id, { $inc: { likes: 1 } });
  const { records, count } = await db.find({ filter: { name: "a" }, order_by: "likes DESC" });
  const gone = await db.get(99).catch((err: RoseyError) => err.code);
  c.reply(`${id} ${records[0].likes} ${count} ${gone}`);
  await db.delete(id);
});
plugin.on("plugin.probe.event.tea", (c) => c.reply(`tea for ${c.data.user}`), { maxAge: Infinity });
plugin.on("plugin.other.event.thing", (c) => c.reply(`saw ${c.data.thing}`));
plugin.command("ask", {}, (c) => {
  switch (c.text()) {
    case "poll": return c.send("cytube.send.poll.open", { title: "Pizza?", options: ["yes", "no"], for: c.user });
    case "one option": return c.send("cytube.send.poll.open", { title: "Pizza?", options: ["yes"] });
    case "vote": return c.send("cytube.send.poll.vote", { option: 1 });
    case "option": return c.send("cytube.send.channel.options", { values: { allow_dupes: true } });
    case "no option": return c.send("cytube.send.channel.options", { values: { no_such: true } });
    case "rank": return c.send("cytube.send.moderation.rank", { user: "nobody", rank: 2 });
  }
});
plugin.outcome((c) => c.emit("outcome", { status: c.data.status, code: c.data.code, for: c.data.for }));
plugin.request("double", (c) => {
  if (typeof c.data.n !== "number") throw invalid("n must be a number");
  return { n: c.data.n * 2 };
});

await plugin.run();
