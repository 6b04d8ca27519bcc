import type { Consumer, JsMsg } from "@nats-io/jetstream";
import type { Bus } from "./bus.js";
import { codeOf, Permanent, RoseyError, textOf, TooLate } from "./errors.js";
import { delivered, isNotice, read, replyTo, type Output, type Stored } from "./event.js";

export type Log = (message: string, fields?: Record<string, unknown>) => void;

/** Handles an event and returns what to publish because of it. */
export type Handle = (e: Stored, signal: AbortSignal, isOlder: (seconds: number) => Promise<boolean>) => Promise<Output[]>;

export const ackWait = 5_000; // ms after which a crashed process's event is redelivered
export const grace = 8_000; // ms that a handler may run on after a stop

/** Reads a plugin's durable consumers, and acknowledges an event after all that it led to is stored. */
export class Reader {
  /** Handlers that still run are given up when `abort` aborts. */
  constructor(private readonly bus: Bus, private readonly backoff: number[], private readonly handle: Handle, private readonly abort: AbortSignal, private readonly log: Log) {}

  /** Reads until the signal aborts; it throws if the consumer is deleted or the connection closed. */
  async run(stream: string, until: AbortSignal): Promise<void> {
    const consumer = await this.bus.js.consumers.get(stream, this.bus.durable);
    while (!until.aborted) {
      // One at a time: what waits in this process would count as attempted when it dies. A stop waits for
      // the pull: what is on its way when one is broken off is redelivered only after ackWait.
      const m = await consumer.next({ expires: 2_000 });
      if (m) await this.deliver(m, consumer);
    }
  }

  private async deliver(m: JsMsg, consumer: Consumer): Promise<void> {
    const e = delivered(m);
    const beat = setInterval(() => m.working(), ackWait / 3); // not given to another meanwhile
    try {
      if (m.data.length === 0 && m.subject.includes("_passed_")) return m.ack(); // no event: it takes up a lost sequence
      read(e, () => m.json());
      if (e.metadata.retry_for && e.metadata.retry_for !== this.bus.durable) return m.ack(); // another's dead letter
      if (e.attempt > this.backoff.length + 1) throw new Permanent("crashed on last attempt", "PLUGIN_ERROR");
      const serverTime = async () => Date.parse((await consumer.info() as any).ts); // this clock may be wrong
      const isOlder = async (seconds: number) => e.waited > seconds && (await serverTime()) - e.at.getTime() > seconds * 1000;
      const outputs = await this.handle(e, this.abort, isOlder);
      // The k-th output always has the same ID, by which a repeat after a crash is recognised.
      for (const [k, out] of outputs.entries()) await this.bus.publish(e, out, isNotice(out.subject) ? "expired/1" : String(k + 1));
      m.ack();
    } catch (err) {
      await this.failed(m, e, err);
    } finally {
      clearInterval(beat);
    }
  }

  /** Has a failed attempt repeated after the backoff. After the last one the event is a dead letter. */
  private async failed(m: JsMsg, e: Stored, err: unknown): Promise<void> {
    const late = err instanceof TooLate && err.message;
    const fields = { event: e.ref, subject: e.subject, attempt: e.attempt, error: textOf(err) };
    const delay = this.backoff[Math.min(e.attempt, this.backoff.length) - 1] ?? ackWait;
    if (this.abort.aborted) return m.nak();
    if (!(err instanceof Permanent) && e.attempt <= this.backoff.length) {
      this.log("handler failed, retrying", { ...fields, after: delay / 1000 });
      if (e.attempt === 1 && codeOf(err) !== "NATS_ERROR") await this.notify(e, "retried", `${late || "did not work yet"}, trying again`);
      return m.nak(delay);
    }
    const stack = err instanceof Error && !(err instanceof RoseyError) ? { stack: err.stack } : {};
    const letter = notice(this.bus, e, "dead_letter", { error: textOf(err), error_code: codeOf(err), attempts: e.attempt, ...stack });
    try {
      if (!isNotice(e.subject) || (e.metadata.source !== this.bus.durable && !isNotice(e.data.subject))) await this.bus.publish(e, letter, "dead");
    } catch (refused) {
      this.log("dead letter not stored", { ...fields, reason: textOf(refused) });
      if (e.attempt < this.backoff.length + 11) return m.nak(delay);
    }
    this.log("event dead-lettered", fields);
    await this.notify(e, "dead_letter", `failed, ${late ? `it ${late}` : "an operator can see why"} (rosey dead ls)`);
    m.term(textOf(err).split("\n")[0]);
  }

  /** Tells the user of a command that it failed, under an ID that uses up no number of the outputs. */
  private async notify(e: Stored, result: string, told: string): Promise<void> {
    const { user, command, raw_message } = e.data;
    if (e.subject !== `plugin.${this.bus.name}.command` || !user || !command) return;
    const typed = String(raw_message ?? "").trim().split(/\s+/)[0] || command;
    await this.bus.publish(e, replyTo(e, `${user}: ${typed} ${told}`, { result }), `${result}/1`)
      .catch((err) => this.log("user not told that a command failed", { event: e.ref, error: textOf(err) }));
  }
}

/** An event of the plugin's own about what became of an event. */
export function notice(bus: Bus, e: Stored, type: string, more: object): Output {
  const [stream, seq] = e.ref!.split(":");
  return { subject: `plugin.${bus.name}.event.${type}`, data: { event_type: type, consumer: bus.durable, stream, seq: Number(seq), subject: e.subject, ...more } };
}
