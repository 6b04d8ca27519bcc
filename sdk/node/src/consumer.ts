import type { Consumer, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import { correlationOf, type Bus } from "./bus.js";
import { originOf, type Output, type Stored } from "./context.js";
import { codeOf, Permanent, RoseyError, textOf } from "./errors.js";

export type Log = (message: string, fields?: Record<string, unknown>) => void;

/** Handles an event and returns what to publish because of it. */
export type Handle = (e: Stored, signal: AbortSignal, serverTime: () => Promise<number>) => Promise<Output[]>;

/** An attempt that took longer than it may. */
export class TooLate extends RoseyError {}

export const ackWait = 5_000; // ms after which a crashed process's event is redelivered
const grace = 8_000; // ms that a handler may run on after a stop
const isNotice = (subject: unknown) => /^plugin\.[^.]+\.event\.(dead_letter|expired|denied)$/.test(String(subject));

/** Reads a plugin's durable consumer on a stream, and acknowledges an event after all that it led to is stored. */
export class Reader {
  private stopping = false;
  private messages?: ConsumerMessages;
  private readonly abort = new AbortController();

  constructor(private readonly bus: Bus, private readonly backoff: number[], private readonly handle: Handle, private readonly log: Log) {}

  /** Reads until stop is called; it throws if the consumer is deleted or the connection closed. */
  async run(stream: string): Promise<void> {
    const consumer = await this.bus.js.consumers.get(stream, this.bus.durable);
    while (!this.stopping) {
      // One at a time: what waits in this process would count as attempted when it dies.
      this.messages = await consumer.fetch({ max_messages: 1, expires: 30_000, idle_heartbeat: 1_000 });
      if (this.stopping) this.messages.stop();
      for await (const m of this.messages) await (this.stopping ? m.nak() : this.deliver(m, consumer));
    }
  }

  stop(): void {
    this.stopping = true;
    this.messages?.stop();
    setTimeout(() => this.abort.abort(new RoseyError("PLUGIN_ERROR", "the process is stopping")), grace).unref();
  }

  private async deliver(m: JsMsg, consumer: Consumer): Promise<void> {
    const e = position(m);
    const beat = setInterval(() => m.working(), ackWait / 3); // not given to another meanwhile
    try {
      if (m.data.length === 0 && m.subject.includes("_passed_")) return m.ack(); // no event: it takes up a lost sequence
      Object.assign(e, decode(m.subject, m.json.bind(m), e, m));
      if (e.metadata.retry_for && e.metadata.retry_for !== this.bus.durable) return m.ack(); // another's dead letter
      if (e.attempt > this.backoff.length + 1) throw new Permanent("crashed on last attempt", "PLUGIN_ERROR");
      const serverTime = async () => Date.parse((await consumer.info() as any).ts);
      const outputs = await this.handle(e, this.abort.signal, serverTime);
      // The k-th output always has the same ID, by which a repeat after a crash is recognised.
      for (const [k, o] of outputs.entries()) await this.store(e, o, isNotice(o.subject) ? "expired/1" : String(k + 1));
      m.ack();
    } catch (err) {
      await this.failed(m, e, err);
    } finally {
      clearInterval(beat);
    }
  }

  private store(e: Stored, { subject, data, metadata }: Output, id: string): Promise<void> {
    const origin = originOf(e);
    return this.bus.publish({ ...origin, metadata: { ...origin.metadata, ...metadata } }, subject, data, `${this.bus.durable}/${e.ref}/${id}`);
  }

  /** Has a failed attempt repeated after the backoff. After the last one the event is a dead letter. */
  private async failed(m: JsMsg, e: Stored, err: unknown): Promise<void> {
    const late = err instanceof TooLate && err.message;
    const fields = { event: e.ref, subject: e.subject, attempt: e.attempt, error: textOf(err) };
    const delay = this.backoff[Math.min(e.attempt, this.backoff.length) - 1] ?? ackWait;
    if (this.abort.signal.aborted) return m.nak();
    if (!(err instanceof Permanent) && e.attempt <= this.backoff.length) {
      this.log("handler failed, retrying", { ...fields, after: delay / 1000 });
      if (e.attempt === 1 && codeOf(err) !== "NATS_ERROR") await this.notify(e, "retried", `${late || "did not work yet"}, trying again`);
      return m.nak(delay);
    }
    const stack = err instanceof Error && !(err instanceof RoseyError) ? { stack: err.stack } : {};
    const letter = notice(this.bus, e, "dead_letter", { error: textOf(err), error_code: codeOf(err), attempts: e.attempt, ...stack });
    try {
      if (!isNotice(e.subject) || (e.metadata.source !== this.bus.durable && !isNotice(e.data?.subject))) await this.store(e, letter, "dead");
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
    const { user, command, raw_message, channel } = e.data ?? {};
    if (e.subject !== `plugin.${this.bus.name}.command` || !user || !command) return;
    const message = `${user}: ${String(raw_message ?? "").trim().split(/\s+/)[0] || command} ${told}`;
    const data = { message, ...(channel && { channel }), ...(e.data.private && { to: user }) };
    await this.store(e, { subject: `cytube.send.${e.data.private ? "pm" : "chat"}`, data, metadata: { result } }, `${result}/1`)
      .catch((err) => this.log("user not told that a command failed", { event: e.ref, error: textOf(err) }));
  }
}

/** An event of the plugin's own about what became of an event. */
export function notice(bus: Bus, e: Stored, type: string, more: object): Output {
  const [stream, seq] = e.ref!.split(":");
  return { subject: `plugin.${bus.name}.event.${type}`, data: { event_type: type, consumer: bus.durable, stream, seq: Number(seq), subject: e.subject, ...more } };
}

/** What is known of an event before its body is read. */
function position(m: JsMsg): Stored {
  const { stream, streamSequence, deliveryCount } = m.info, at = m.time;
  const [, seconds, nanos] = /^(.*?)(?:\.0*|(\.\d*?)0*)?Z$/.exec(m.timestamp) ?? [];
  const ref = `${stream}:${streamSequence}`, implied = `${ref}@${seconds ?? at.toISOString()}${nanos ?? ""}Z`;
  const waited = Math.max(Date.now() - at.getTime(), 0) / 1000;
  return { ref, subject: m.subject, data: undefined, metadata: {}, correlationId: correlationOf(undefined, m.headers, implied), headers: m.headers, at, attempt: deliveryCount, waited };
}

/** Reads a body: an envelope, or the bare payload. */
export function decode(subject: string, json: () => any, e: { correlationId: string }, m: { headers?: any }) {
  const malformed = (why: string) => new Permanent(`malformed event: ${why}`);
  const isObject = (v: unknown) => typeof v === "object" && v !== null && !Array.isArray(v);
  let body: any;
  try {
    body = json();
  } catch (err) {
    throw malformed(textOf(err));
  }
  if (!isObject(body)) throw malformed("the body must be a JSON object");
  const { data, metadata, correlation_id, ...envelope } = "subject" in body && "data" in body ? body : { subject, data: body };
  if (envelope.subject !== subject) throw malformed(`subject is "${envelope.subject}", but the event came on "${subject}"`);
  if (!isObject(data)) throw malformed("data must be an object");
  const publisher = m.headers?.get("Rosey-Publisher"); // proven by the server
  return { data, metadata: { ...metadata, ...(publisher && { source: `plugin-${publisher}` }) }, correlationId: correlationOf(correlation_id, m.headers, e.correlationId) };
}
