import { createHash, createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { jetstream, type JetStreamClient } from "@nats-io/jetstream";
import { connect, credsAuthenticator, headers, nkeys, RequestError, TimeoutError, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { RoseyError } from "./errors.js";

/** What an event that is published comes from. */
export interface Origin {
  ref?: string; // STREAM:SEQ of the event being handled
  correlationId: string;
  headers?: MsgHdrs; // of the event being handled
  metadata?: Record<string, unknown>;
}

const purpose = "rosey: seal of message IDs";
const outage = 30_000; // ms that a publish or a database request is repeated for

export const digest = (text: string) => createHash("sha256").update(text).digest();
export const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

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

  /** A message ID that only this plugin's credentials can make. Others use the ID itself. */
  sign(id: string): string {
    if (!this.secret) return id;
    return `${id}~${createHmac("sha256", this.secret).update(id).digest().subarray(0, 12).toString("base64url")}`;
  }

  envelope(from: Origin, subject: string, data: object): string {
    const metadata = { source: this.durable, ...(from.ref && { causation_id: from.ref }), ...from.metadata };
    return JSON.stringify({ subject, data, timestamp: Date.now() / 1000, priority: 1, correlation_id: from.correlationId, metadata });
  }

  /** The correlation ID, and the trace of the event being handled if it is that of its conversation. */
  headers(from: Origin): MsgHdrs {
    const h = headers();
    h.set("Rosey-Correlation-Id", from.correlationId);
    const parent = from.headers?.get("traceparent");
    if (parent?.split("-")[1] === traceId(from.correlationId)) {
      h.set("traceparent", parent);
      if (from.headers?.get("tracestate")) h.set("tracestate", from.headers.get("tracestate"));
    }
    return h;
  }

  /** Stores an event, once for its ID. */
  async publish(from: Origin, subject: string, data: object, id?: string): Promise<void> {
    const body = this.envelope(from, subject, data), h = this.headers(from);
    await this.retry(outage, () => this.js.publish(subject, body, { headers: h, ...(id && { msgID: this.sign(id) }) }));
  }

  /** Asks a service, and returns its reply or throws the failure that it reports. */
  async request<T>(from: Origin, subject: string, data: object, id?: string, timeout = 5_000): Promise<T> {
    const h = this.headers(from);
    if (id) h.set("Rosey-Msg-Id", this.sign(id));
    return this.ask(subject, this.envelope(from, subject, data), h, timeout, subject.startsWith("database.") ? outage : 0);
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

  /** Repeats what NATS does not answer, and without limit what it has no capacity for. */
  private async retry<T>(limit: number, call: () => Promise<T>): Promise<T> {
    for (const started = Date.now(), wait = { ms: 100 }; ; wait.ms = Math.min(wait.ms * 2, 2_000)) {
      try {
        return await call();
      } catch (err: any) {
        const full = limit > 0 && /maximum (bytes|messages) exceeded|insufficient (storage )?resources/.test(err.message);
        const refused = err.status >= 400 && err.status !== 503;
        if (this.nc.isClosed() || (!full && (refused || Date.now() - started >= limit))) throw err;
        await sleep(wait.ms);
      }
    }
  }
}

/** The secret that all processes derive from credentials, as the Go SDK does. */
function secretOf(creds: Uint8Array): Buffer | undefined {
  const seed = /BEGIN USER NKEY SEED-+\s+(\S+)/.exec(Buffer.from(creds).toString())?.[1];
  if (!seed) return undefined;
  const signature = nkeys.fromSeed(Buffer.from(seed)).sign(Buffer.from(purpose));
  return createHash("sha256").update(purpose).update(signature).digest();
}

/** The trace ID that a correlation ID stands for. */
export function traceId(correlationId: string): string {
  const hex = correlationId.replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(hex) && !/^0+$/.test(hex) ? hex : digest(correlationId).toString("hex", 0, 16);
}

/** The correlation ID of an event: its body's, its header's, its trace's, or that of its position. */
export function correlationOf(body: unknown, h: MsgHdrs | undefined, implied: string = randomUUID()): string {
  const usable = (id: unknown): id is string => typeof id === "string" && id !== "" && Buffer.byteLength(id) <= 256;
  const trace = /^\w\w-(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})-/.exec(h?.get("traceparent") ?? "")?.slice(1).join("-");
  return [body, h?.get("Rosey-Correlation-Id"), trace].find(usable) ?? implied;
}
