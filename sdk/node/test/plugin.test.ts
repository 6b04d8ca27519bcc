import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { Kvm } from "@nats-io/kv";
import { traceId } from "../src/event.js";
import { Bot, program, until, type Line } from "./bot.js";

const skip = program ? false : "ROSEY_TEST_PROGRAM does not name a built rosey: run make test in the repository's root";

describe("a plugin beside a real bot", { skip, timeout: 120_000 }, () => {
  const bot = new Bot();
  before(async () => {
    await bot.start();
    await bot.startPlugin();
  });
  after(() => bot.stop());
  const isChat = (l: Line) => l.subject === "cytube.send.chat";
  const letter = (l: Line) => l.subject === "plugin.probe.event.dead_letter";

  it("answers in the conversation of the command", async () => {
    const from = bot.lines.length;
    assert.equal(await bot.ask("!hello  big   world"), "hello big   world");
    const { body, headers } = bot.lines.slice(from).find(isChat)!;
    assert.match(headers.get("Nats-Msg-Id")!, /^plugin-probe\/PLUGIN:\d+\/1~[\w-]{16}$/);
    assert.equal(headers.get("Rosey-Correlation-Id"), body.correlation_id);
    assert.ok(!headers.has("traceparent") || headers.get("traceparent")!.includes(traceId(body.correlation_id)));
    assert.match(body.metadata.causation_id, /^PLUGIN:\d+$/);
    assert.equal(await bot.ask("!hi"), "hello operator");
  });

  it("tells users what they did wrong, and of failures", async () => {
    assert.equal(await bot.ask("!mistyped"), "❌ write it right");
    const from = bot.lines.length;
    assert.equal(await bot.ask("!flaky"), "operator: !flaky did not work yet, trying again");
    await bot.next(from, (l) => isChat(l) && l.data.message === "worked at 2");
    assert.equal(await bot.ask("!slow"), "operator: !slow took longer than 0.2s, trying again");
    assert.equal((await bot.next(from, letter)).data.error_code, "TIMEOUT");
  });

  it("asks of the channel what it was granted, and is told what came of it", async () => {
    let from = bot.lines.length;
    bot.say("!ask poll");
    assert.match((await bot.next(from, letter)).data.error, /rosey plugin grant probe poll\.open/);
    assert.ok(!bot.lines.slice(from).some((l) => l.subject === "cytube.send.poll.open"));
    bot.rosey("plugin", "grant", "probe", "poll.*", "channel.options", "moderation.rank");
    for (const [what, outcome] of [
      ["poll", ["done", undefined, "operator"]], ["one option", ["refused", "INVALID_INPUT", undefined]], ["vote", ["done", undefined, undefined]],
      ["option", ["done", undefined, undefined]], ["no option", ["refused", "INVALID_INPUT", undefined]], ["rank", ["refused", "PERMISSION_DENIED", undefined]],
    ] as const) {
      from = bot.lines.length;
      bot.say(`!ask ${what}`);
      const { data } = await bot.next(from, (l) => l.subject === "plugin.probe.event.outcome");
      assert.deepEqual([data.status, data.code, data.for], outcome, what);
    }
  });

  it("makes dead letters", async () => {
    let from = bot.lines.length;
    bot.say("!broken");
    const { data } = await bot.next(from, letter);
    assert.deepEqual([data.error, data.attempts, data.consumer, data.subject], ["never works", 3, "plugin-probe", "plugin.probe.command"]);
    await bot.next(from, (l) => isChat(l) && l.data.message === "operator: !broken failed, an operator can see why (rosey dead ls)");
    for (const body of ["not JSON", "null", `{"command":"hello"}`]) {
      from = bot.lines.length;
      bot.nc.publish("plugin.probe.command", body);
      const { data } = await bot.next(from, letter);
      assert.match(data.error, /^malformed event: /);
      assert.equal(data.attempts, 1);
    }
  });

  it("handles an event once that its process died with", async () => {
    assert.equal(await bot.ask("!count"), "counted 1");
    const from = bot.lines.length, died = once(bot.plugin!, "exit");
    bot.say("!count die");
    await died;
    await bot.startPlugin();
    await bot.next(from, isChat);
    assert.equal(await bot.ask("!count"), "counted 3");
    assert.deepEqual(bot.lines.slice(from).filter(isChat).map((l) => l.data.message), ["counted 2", "counted 3"]);
  });

  it("takes settings while it runs", async () => {
    bot.rosey("settings", "set", "probe", "greeting", "ahoy", "--channel", "local");
    await until(async () => (await bot.ask("!hello")) === "ahoy operator");
    assert.throws(() => bot.rosey("settings", "set", "probe", "times", "9"));
    bot.rosey("settings", "unset", "probe", "greeting", "--channel", "local");
    await until(async () => (await bot.ask("!hello")) === "hello operator");
  });

  it("stores records, sets timers, handles events", async () => {
    assert.equal(await bot.ask("!store"), "1 2 1 RECORD_NOT_FOUND");
    const from = bot.lines.length;
    bot.say("!tea");
    await bot.next(from, (l) => isChat(l) && l.data.message === "tea for operator");
    assert.ok(!bot.lines.slice(from).some((l) => l.subject.endsWith(".coffee")));
    bot.nc.publish("plugin.other.event.thing", JSON.stringify({ thing: "it", channel: "local" }));
    await bot.next(from, (l) => isChat(l) && l.data.message === "saw it");
    assert.notEqual(await bot.ask("!lots"), await bot.ask("!lots"));
  });

  it("answers requests", async () => {
    const ask = async (data: object) => (await bot.nc.request("plugin.probe.request.double", JSON.stringify(data))).json<any>();
    assert.deepEqual(await ask({ n: 21 }), { success: true, n: 42 });
    assert.deepEqual(await ask({}), { success: false, error: "n must be a number", error_code: "INVALID_INPUT", details: {} });
  });

  it("reads what is no envelope, in the conversation that others take it for", async () => {
    const from = bot.lines.length;
    bot.nc.publish("plugin.probe.command", `{"command":"hello","user":"bare"}`);
    const { body } = await bot.next(from, (l) => isChat(l) && l.data.message === "hello bare");
    const stored = bot.rosey("replay", "--subject", "plugin.probe.command", "--correlation", body.correlation_id, "--output", "json");
    assert.equal(JSON.parse(stored).data.user, "bare");
  });

  it("goes on after a handler that took long", async () => {
    assert.equal(await bot.ask("!pause"), "TIMEOUT");
    assert.equal(await bot.ask("!hello"), "hello operator");
    assert.doesNotMatch(bot.log, /restarting/);
  });

  it("is listed while it runs", () => {
    assert.match(bot.rosey("plugin", "ls"), /^ probe +1\.0\.0 +running +1 /m);
  });

  it("registers again when its registration is gone", async () => {
    const kv = await new Kvm(bot.nc).open("plugins", { allow_direct: true });
    await kv.delete("probe");
    await until(async () => (await kv.get("probe"))?.operation === "PUT");
  });

  it("finishes what it handles when it is stopped", async () => {
    const from = bot.lines.length;
    bot.say("!pause");
    await bot.next(from, (l) => l.subject === "plugin.nobody.request");
    bot.say("!hello"); // waits for the next process
    assert.equal(await bot.stopPlugin(), 0);
    await bot.next(from, (l) => isChat(l) && l.data.message === "TIMEOUT");
    await bot.startPlugin({ PROBE_MAX_AGE: "0.001" });
    const { data } = await bot.next(from, (l) => l.subject === "plugin.probe.event.expired");
    assert.equal(data.max_age, 0.001);
  });

  it("ends when it is stopped and the server is away", async () => {
    await bot.kill("SIGKILL");
    assert.equal(await bot.stopPlugin(), 0);
  });
});
