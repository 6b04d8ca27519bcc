import { createHash, randomUUID } from "node:crypto";
import type { JsMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";
import { Permanent, textOf } from "./errors.js";

/** An event to publish. */
export interface Output { subject: string; data: object; metadata?: object }

/** An event that is handled, or a request. */
export interface Stored {
  ref?: string; // STREAM:SEQ; of a request, none
  subject: string;
  data: any;
  metadata: Record<string, any>;
  correlationId: string;
  headers?: MsgHdrs;
  at: Date; // when it was stored
  attempt: number;
  waited: number; // seconds between then and this delivery
}

export const digest = (text: string) => createHash("sha256").update(text).digest();

/** Says something where an event comes from: in the channel, or to who typed a private command. */
export function replyTo({ data: { channel, user, private: isPrivate } }: Stored, message: string, metadata?: object): Output {
  const data = { ...(channel && { channel }), ...(isPrivate && { to: user }), message };
  return { subject: `cytube.send.${isPrivate ? "pm" : "chat"}`, data, metadata };
}

/** Whether a subject is of what the SDKs say about what became of an event. */
export const isNotice = (subject: unknown) => /^plugin\.[^.]+\.event\.(dead_letter|expired|denied)$/.test(String(subject));

/** What is known of a request before its body is read. */
export function requested(subject: string, headers?: MsgHdrs): Stored {
  return { subject, data: {}, metadata: {}, correlationId: randomUUID(), headers, at: new Date(), attempt: 1, waited: 0 };
}

/** What is known of an event before its body is read. */
export function delivered(m: JsMsg): Stored {
  const { stream, streamSequence, deliveryCount: attempt } = m.info, ref = `${stream}:${streamSequence}`, at = m.time;
  const nanos = `.${String(m.timestampNanos % 1_000_000_000n).padStart(9, "0")}`.replace(/\.?0+$/, "");
  const correlationId = correlationOf(undefined, m.headers, `${ref}@${at.toISOString().slice(0, 19)}${nanos}Z`);
  return { ...requested(m.subject, m.headers), ref, at, attempt, waited: Math.max(Date.now() - at.getTime(), 0) / 1000, correlationId };
}

/** Reads a body into e: an envelope, or the bare payload. */
export function read(e: Stored, json: () => any): void {
  const malformed = (why: string) => new Permanent(`malformed event: ${why}`);
  const isObject = (v: unknown) => typeof v === "object" && v !== null && !Array.isArray(v);
  let body: any;
  try {
    body = json();
  } catch (err) {
    throw malformed(textOf(err));
  }
  if (!isObject(body)) throw malformed("the body must be a JSON object");
  const { subject, data, metadata, correlation_id } = "subject" in body && "data" in body ? body : { subject: e.subject, data: body };
  if (subject !== e.subject) throw malformed(`subject is "${subject}", but the event came on "${e.subject}"`);
  if (!isObject(data)) throw malformed("data must be an object");
  const publisher = e.headers?.get("Rosey-Publisher"); // proven by the server
  e.data = data;
  e.metadata = { ...metadata, ...(publisher && { source: `plugin-${publisher}` }) };
  e.correlationId = correlationOf(correlation_id, e.headers, e.correlationId);
}

/** The trace ID that a correlation ID stands for. */
export function traceId(correlationId: string): string {
  const hex = correlationId.replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(hex) && !/^0+$/.test(hex) ? hex : digest(correlationId).toString("hex", 0, 16);
}

/** The correlation ID of an event: its body's, its header's, its trace's, or that of its position. */
function correlationOf(body: unknown, h: MsgHdrs | undefined, implied: string): string {
  const usable = (id: unknown): id is string => typeof id === "string" && id !== "" && Buffer.byteLength(id) <= 256;
  const trace = /^\w\w-(\w{8})(\w{4})(\w{4})(\w{4})(\w{12})-/.exec(h?.get("traceparent") ?? "")?.slice(1).join("-");
  return [body, h?.get("Rosey-Correlation-Id"), trace].find(usable) ?? implied;
}
