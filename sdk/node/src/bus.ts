import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, type JetStreamClient } from "@nats-io/jetstream";
import { connect, credsAuthenticator, headers, nkeys, PermissionViolationError, RequestError, TimeoutError, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { Permanent, RoseyError } from "./errors.js";
import { traceId, type Output, type Stored } from "./event.js";

const purpose = "rosey: seal of message IDs";
const outage = 30_000; // ms that a publish or a database request is repeated for

/** Publishes and requests in a plugin's name. */
export class Bus {
  readonly durable: string;
  readonly js: JetStreamClient;

  private constructor(readonly nc: NatsConnection, readonly name: string, private readonly secret?: Buffer) {
    this.durable = `plugin-${name}`;
    this.js = jetstream(nc);
  }

  /** Connects as NATS_URL, and NATS_CREDS or NATS_USER and NATS_PASSWORD say. */
  static async connect(name: string): Promise<Bus> {
    const { NATS_URL, NATS_CREDS, NATS_USER: user, NATS_PASSWORD: pass } = process.env;
    const creds = NATS_CREDS ? () => readFileSync(NATS_CREDS) : undefined; // the bot may renew the file
    const nc = await connect({
      servers: NATS_URL || "nats://127.0.0.1:4222", name: `plugin-${name}`, maxReconnectAttempts: -1, waitOnFirstConnect: true,
      ...(creds ? { authenticator: credsAuthenticator(creds) } : user ? { user, pass } : {}),
    });
    return new Bus(nc, name, creds && secretOf(creds()));
  }

  /** Whether the server answers. */
  async isConnected(): Promise<boolean> {
    return Promise.race([this.nc.flush().then(() => true, () => false), sleep(2_000, false, { ref: false })]);
  }

  /** The message ID of something that an event leads to. Only this plugin's credentials can make it. */
  messageId(cause: Stored, name: string): string {
    const id = `${this.durable}/${cause.ref}/${name}`;
    return this.secret ? `${id}~${createHmac("sha256", this.secret).update(id).digest().subarray(0, 12).toString("base64url")}` : id;
  }

  /** The body of what is published because of an event, or of a request. */
  envelope({ ref, correlationId: correlation_id, waited, attempt }: Stored, { subject, data, metadata }: Output): string {
    const handled = ref && { causation_id: ref, waited, ...(attempt > 1 && { attempt }) };
    return JSON.stringify({ subject, data, timestamp: Date.now() / 1000, priority: 1, correlation_id, metadata: { source: this.durable, ...handled, ...metadata } });
  }

  /** The correlation ID, and the trace of the event being handled if it is that of its conversation. */
  headers(cause: Stored): MsgHdrs {
    const h = headers();
    h.set("Rosey-Correlation-Id", cause.correlationId);
    const of = cause.headers;
    if (of?.get("traceparent").split("-")[1] === traceId(cause.correlationId)) {
      for (const name of ["traceparent", "tracestate"].filter((name) => of.has(name))) h.set(name, of.get(name));
    }
    return h;
  }

  /** Stores an event, once for its name among what an event leads to. */
  async publish(cause: Stored, out: Output, name?: string): Promise<void> {
    const options = { headers: this.headers(cause), ...(name && { msgID: this.messageId(cause, name) }) }, body = this.envelope(cause, out);
    await this.retry(outage, () => this.js.publish(out.subject, body, options));
  }

  /** Asks a service, and returns its reply or throws the failure that it reports. */
  request<T>(cause: Stored, subject: string, data: object, name: string, timeout = 5_000): Promise<T> {
    const h = this.headers(cause);
    if (cause.ref) h.set("Rosey-Msg-Id", this.messageId(cause, name));
    return this.ask(subject, this.envelope(cause, { subject, data }), h, timeout, subject.startsWith("database.") ? outage : 0);
  }

  /** Asks the bot for what the plugin may not do itself: consumers and timers. */
  provision<T>(verb: string, body: string, h = headers()): Promise<T> {
    return this.ask(`rosey.warden.${this.name}.${verb}`, body, h, 5_000, outage);
  }

  private async ask<T>(subject: string, body: string, h: MsgHdrs, timeout: number, retry: number): Promise<T> {
    const reply = await this.retry(retry, async () => (await this.nc.request(subject, body, { headers: h, timeout })).json<any>())
      .catch((err) => {
        if (err instanceof RoseyError) throw err;
        if (err instanceof TimeoutError) throw new RoseyError("TIMEOUT", `${subject} was not answered within ${timeout / 1000}s: is its service running?`);
        throw new RoseyError("NATS_ERROR", err instanceof RequestError && err.isNoResponders() ? `nothing answers ${subject}: is the bot or the plugin running?` : `request ${subject}: ${err.message}`);
      });
    if (reply?.success === false) throw new RoseyError(reply.error_code || "PLUGIN_ERROR", reply.error || "the request failed without a reason", reply.details ?? {});
    return reply;
  }

  /** What the server refuses to this plugin's credentials, which no repeat mends. */
  private denied(subject: string): Permanent {
    const ability = /^cytube\.send\.(.+)/.exec(subject)?.[1];
    return new Permanent(`plugin ${this.name} may not publish ${subject}${ability ? `: rosey plugin grant ${this.name} ${ability} lets it` : ""}`, "PERMISSION_DENIED");
  }

  /** Repeats what NATS does not answer, and without limit what it has no capacity for. */
  private async retry<T>(limit: number, call: () => Promise<T>): Promise<T> {
    const end = Date.now() + limit;
    for (let wait = 100; ; wait = Math.min(wait * 2, 2_000)) {
      try {
        return await call();
      } catch (err: any) {
        for (let of = err; of; of = of.cause) if (of instanceof PermissionViolationError) throw this.denied(of.subject);
        const full = limit > 0 && /maximum (bytes|messages) exceeded|insufficient (storage )?resources/.test(err.message);
        const refused = err.status >= 400 && err.status !== 503;
        if (this.nc.isClosed() || (!full && (refused || Date.now() >= end))) throw err;
      }
      await sleep(wait);
    }
  }
}

/** The secret that all processes derive from credentials, as the Go SDK does. */
function secretOf(creds: Buffer): Buffer {
  const seed = /BEGIN USER NKEY SEED-+\s+(\S+)/.exec(creds.toString())![1]; // connect has read it already
  const signature = nkeys.fromSeed(Buffer.from(seed)).sign(Buffer.from(purpose));
  return createHash("sha256").update(purpose).update(signature).digest();
}
