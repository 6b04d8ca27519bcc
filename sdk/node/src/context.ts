import type { Bus } from "./bus.js";
import type { Command, Sends } from "./contract.js";
import { Collection } from "./database.js";
import { Permanent } from "./errors.js";
import { digest, replyTo, type Output, type Stored } from "./event.js";

const reserved = ["dead_letter", "dead_letter_retried", "dead_letter_dropped", "expired", "denied"];

/**
 * What a handler gets: the event, and what it may do with it. What it replies, sends and emits
 * is stored once the handler has returned, and then the event is acknowledged. The same event
 * may come again after a crash: take time from `at` and chance from `random`.
 */
export class Context<D = any, S = any> {
  readonly outputs: Output[] = [];
  private readonly counts = new Map<string, number>();
  private readonly timers = new Map<string, number>();

  constructor(readonly bus: Bus, readonly event: Stored, readonly settings: S, readonly signal: AbortSignal) {}

  get plugin() { return this.bus.name; }
  get ref() { return this.event.ref; }
  get data(): D { return this.event.data; }
  get at() { return this.event.at; }
  get channel(): string { return this.event.data.channel ?? ""; }
  get user(): string { return this.event.data.user ?? ""; }
  get command(): string { return this.event.data.command; }
  get args(): string[] { return this.event.data.args ?? []; }
  get rank(): number { return this.event.data.rank ?? 0; }

  /** Of a chat line: whether to react. Not to the bot's own, those before it came, and those of shadow-muted users. */
  get live(): boolean {
    return !String(this.event.metadata.causation_id ?? "").startsWith("CYTUBE:") && this.event.metadata.backfill !== true && this.event.data.shadow !== true;
  }

  /** What was typed after the command and its first words. */
  text(skip = 0): string {
    const raw = String(this.event.data.raw_message ?? "").trim(), bare = (s: string) => s.replace(/["'\\\s]/g, "");
    const rests = [...raw.matchAll(/\s+/g)].map((m) => raw.slice(m.index + m[0].length));
    const args = rests.findIndex((rest) => bare(rest) === bare(this.args.join("")));
    return args < 0 ? this.args.slice(skip).join(" ") : (rests[args + skip] ?? "");
  }

  /** Says something where the event comes from: in the channel, or to who typed a private command. */
  reply(message: string): void {
    this.output(replyTo(this.event, message));
  }

  pm(to: string, message: string): void {
    this.send("cytube.send.pm", { to, message });
  }

  /** Asks something of the channel, as in `c.send("cytube.send.media.queue", { url, for: c.user })`. */
  send<K extends keyof Sends & string>(subject: K, data: Omit<Sends[K], "channel"> & { channel?: string }): void {
    this.output({ subject, data: this.channel ? { channel: this.channel, ...data } : data });
  }

  /** Emits an event of the plugin's own, plugin.{name}.event.{type}. */
  emit(type: string, data: object = {}): void {
    this.output(this.own(type, data));
  }

  /** Stores an event of the plugin's own in so many seconds, also if the plugin is restarted meanwhile. A timer has a name. */
  async after(seconds: number, timer: string, type: string, data: object = {}): Promise<void> {
    const name = token(timer), h = this.bus.headers(this.event);
    h.set("Rosey-Timer", name);
    h.set("Rosey-Timer-At", new Date(this.at.getTime() + seconds * 1000).toISOString());
    if (this.ref) h.set("Nats-Msg-Id", this.bus.messageId(this.event, this.numbered(`timer/${name}`)));
    const { seq } = await this.bus.provision<{ seq: number }>("timer", this.bus.envelope(this.event, this.own(type, data)), h);
    this.timers.set(name, seq);
  }

  /** Cancels the timer of that name, unless a later event has set it. */
  async cancel(timer: string): Promise<void> {
    const h = this.bus.headers(this.event), name = token(timer);
    h.set("Rosey-Timer", name);
    h.set("Rosey-Timer-Keep-Own", this.ref ? String(this.timers.get(name) ?? true) : "false");
    if (this.ref) h.set("Rosey-Timer-Cause", this.ref);
    await this.bus.provision("cancel-timer", "{}", h);
  }

  /** Asks another plugin or service, and returns its reply. It throws what the reply reports, or TIMEOUT after 5 s. */
  request<T = any>(subject: string, data: object = {}, opts: { timeout?: number; kind?: string } = {}): Promise<T> {
    this.signal.throwIfAborted();
    return this.bus.request(this.event, subject, data, this.numbered(opts.kind ?? "request"), opts.timeout);
  }

  db<T extends object = Record<string, any>>(collection: string): Collection<T> {
    return new Collection<T>(this, collection);
  }

  /** A number from 0 to 1, the same when the event is redelivered. */
  random(): number {
    const seed = `${this.plugin}/${this.event.correlationId}/${this.ref}/${this.at.getTime()}/${this.count("random")}`;
    return digest(seed).readUIntLE(0, 6) / 2 ** 48;
  }

  /** How often it was called with that text, the same when the event is redelivered. */
  count(kind: string): number {
    const n = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, n);
    return n;
  }

  private numbered(kind: string): string {
    const name = /^[!-~]+$/.test(kind) ? kind : digest(kind).toString("hex", 0, 16); // a header is a line of ASCII
    return `${name}/${this.count(name)}`;
  }

  private own(type: string, data: object): Output {
    if (!/^[\w-]{1,64}$/.test(type) || reserved.includes(type)) throw new Permanent(`"${type}" is no type for an event of the plugin's own`);
    return { subject: `plugin.${this.plugin}.event.${type}`, data: { event_type: type, ...data } };
  }

  private output(out: Output): void {
    this.signal.throwIfAborted();
    const { message, emote } = out.data as { message?: string; emote?: string };
    if (message === "" || emote === "") throw new Permanent(`${out.subject}: message and emote must not be empty`);
    if (Buffer.byteLength(JSON.stringify(out.data)) + 2048 > this.bus.nc.info!.max_payload) throw new Permanent(`${out.subject}: its data are more than the server takes`);
    this.outputs.push(out);
  }
}

/** What a command's handler gets. */
export type CommandContext<S = any> = Context<Command, S>;

const token = (name: string) => (/^[\w-]{1,64}$/.test(name) ? name : `x-${digest(name).toString("hex", 0, 16)}`);
