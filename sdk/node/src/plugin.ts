import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Kvm } from "@nats-io/kv";
import { headers, type Msg } from "@nats-io/transport-node";
import { Bus } from "./bus.js";
import { ackWait, grace, notice, Reader, type Log } from "./consumer.js";
import { Context } from "./context.js";
import { version as contract, type Command, type Delivery, type Events, type Registration } from "./contract.js";
import { answers, codeOf, Permanent, RoseyError, textOf, TooLate } from "./errors.js";
import { read, replyTo, requested, type Output, type Stored } from "./event.js";

/** A setting: a JSON Schema with a default. A number with `unit: "s"` is a duration. */
export interface Setting<T = unknown> { type: "string" | "number" | "integer" | "boolean" | "array"; default: T; description?: string; minimum?: number; maximum?: number; enum?: T[]; unit?: "s"; items?: object }
type Schemas = Record<string, Setting<any>>;
type Values<S extends Schemas> = { [K in keyof S]: S[K]["default"] };
type Field = { name: string; type?: string; mark?: "person" | "text" };

export interface Options<S extends Schemas> {
  version: string;
  description?: string;
  minRank?: number; // of commands without their own
  maxAge?: number; // seconds after which a command expires: 600
  settings?: S;
  collections?: Record<string, Field[]>; // what their records hold
  emits?: Record<string, Field[]>; // what the plugin's own events hold, by type
  capabilities?: string[]; // what the plugin may do, once an operator grants it
  backoff?: number[]; // seconds before each further attempt
}
export interface CommandOptions { description?: string; usage?: string; aliases?: string[]; minRank?: number; timeout?: number } // seconds

type Handler<D, S> = (c: Context<D, S>) => unknown;
interface Known { handler: Handler<Command, any>; registered: Exclude<Registration["commands"][number], string> }
interface Subscription { subject: string; handler: Handler<any, any>; maxAge: number }

/** A plugin: its commands, the events that it handles and the requests that it answers. */
export class Plugin<S extends Schemas = {}> {
  readonly name: string;
  private readonly commands = new Map<string, Known>(); // and their aliases
  private readonly subscriptions: Subscription[] = [];
  private readonly endpoints = new Map<string, Handler<any, any>>();
  private onStart?: Handler<any, any>;
  private stopped = false;
  private life = new AbortController(); // ends at a stop or restart
  private readonly log: Log = (message, fields = {}) => console.error(`${this.name}: ${message}${Object.keys(fields).length ? " " + JSON.stringify(fields) : ""}`);

  /** ROSEY_PLUGIN, where it is set, is the name that the plugin runs under. */
  constructor(name: string, readonly options: Options<S>) {
    this.name = process.env.ROSEY_PLUGIN || name;
    if (!/^[\w-]{1,64}$/.test(this.name)) throw new RoseyError("INVALID_INPUT", `"${this.name}" is no plugin's name: it is 1 to 64 of A-Z a-z 0-9 _ -`);
  }

  /** Handles a command that users type. An error of code INVALID_INPUT, RECORD_NOT_FOUND, PERMISSION_DENIED or PLUGIN_ERROR is their answer. */
  command(name: string, { description = "", usage = "", aliases = [], minRank: min_rank, timeout }: CommandOptions, handler: Handler<Command, Values<S>>): this {
    for (const n of [name, ...aliases]) {
      const registered = { name: n, alias_of: n === name ? undefined : name, min_rank, description, usage: `${n} ${usage}`.trim(), timeout };
      this.commands.set(n.toLowerCase(), { handler, registered });
    }
    return this;
  }

  /** Handles events, such as cytube.user.join. They are skipped when they are older than `maxAge` seconds; Infinity is for timers. */
  on<K extends keyof Events & string>(subject: K, handler: Handler<Events[K], Values<S>>, options?: { maxAge?: number }): this;
  on(subject: string, handler: Handler<any, Values<S>>, options?: { maxAge?: number }): this;
  on(subject: string, handler: Handler<any, Values<S>>, { maxAge = this.maxAge } = {}): this {
    this.subscriptions.push({ subject, handler, maxAge });
    return this;
  }

  /** Handles what came of what the plugin has asked of a channel. */
  outcome(handler: Handler<Delivery, Values<S>>): this {
    return this.on("cytube.delivery", (c) => (c.data.source === `plugin-${this.name}` ? handler(c) : undefined));
  }

  /** Answers plugin.{name}.request.{action}, or plugin.{name}.request for "", with what the handler returns. */
  request(action: string, handler: Handler<any, Values<S>>): this {
    this.endpoints.set(`plugin.${this.name}.request${action && "." + action}`, handler);
    return this;
  }

  /** Is called each time before the plugin handles anything. */
  start(handler: Handler<any, Values<S>>): this {
    this.onStart = handler;
    return this;
  }

  /** Runs the plugin until SIGTERM, SIGINT or stop. After a failure it starts again. */
  async run(): Promise<void> {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => this.stop());
    const bus = await Bus.connect(this.name), since = new Date();
    for (let wait = 1_000; !this.stopped; wait = Math.min(wait * 2, 60_000)) {
      const started = Date.now();
      this.life = new AbortController();
      try {
        await this.once(bus, since, this.life);
      } catch (err) {
        if (bus.nc.isClosed()) throw (await bus.nc.closed()) ?? err;
        if (Date.now() - started > 60_000) wait = 1_000;
        this.log("plugin stopped, restarting", { error: textOf(err), after: wait / 1000 });
        this.life = new AbortController();
        if (!this.stopped) await sleep(wait, undefined, { signal: this.life.signal }).catch(() => {});
      }
    }
    await ((await bus.isConnected()) ? bus.nc.drain() : bus.nc.close());
  }

  stop(): void {
    this.stopped = true;
    this.life.abort();
  }

  private get maxAge() { return Math.min(this.options.maxAge || 600, 900); }

  private registration(): string {
    const { version, description = "", minRank = 0, settings, collections, emits, capabilities } = this.options;
    const commands = [...this.commands.values()].map((c) => c.registered);
    return JSON.stringify({
      name: this.name, version, contract, commands, min_rank: minRank, description, usage: commands.filter((c) => !c.alias_of).map((c) => c.usage).join(" | "),
      max_age: this.maxAge, events: this.subscriptions.map((s) => s.subject), collections, emits, capabilities,
      settings: settings && { type: "object", properties: settings },
    } as Registration);
  }

  /** Runs until it is stopped or told to restart. */
  private async once(bus: Bus, since: Date, life: AbortController): Promise<void> {
    const ended = new Promise((done) => life.signal.addEventListener("abort", done)), late = new AbortController();
    const registration = this.registration(), kv = await bucket(bus, "plugins");
    const register = async (isRegistered: (value?: string) => boolean) => {
      if (!isRegistered((await kv.get(this.name))?.string())) await kv.put(this.name, registration);
    };
    // Before it starts, so that commands for a plugin that fails to start are kept.
    await register((value) => value === registration);
    await this.onStart?.(await this.context(bus, requested("")));
    const backoff = (this.options.backoff ?? [1, 5, 30, 120]).map((s) => s * 1000), streams = await this.open(bus, since, backoff.length);
    const reader = new Reader(bus, backoff, (e, signal, isOlder) => this.handle(bus, e, signal, isOlder), late.signal, this.log);
    // Again when the registration is gone, as after a bot's start on an empty store. NATS or the bucket may be away until then.
    const keep = setInterval(() => register(Boolean).catch(() => {}), 2_000), subscriptions = this.serve(bus);
    const running = streams.map((stream) => reader.run(stream, life.signal));
    this.log("plugin runs");
    try {
      await Promise.race([ended, ...running]);
    } finally {
      clearInterval(keep);
      life.abort();
      setTimeout(() => late.abort(new RoseyError("PLUGIN_ERROR", "the process is stopping")), grace).unref();
      if (this.stopped && !(await bus.isConnected())) await bus.nc.close(); // what is under way cannot be settled
      await Promise.allSettled(running);
      subscriptions.forEach((s) => s.unsubscribe());
    }
  }

  /** Has the bot open the durables, and returns on which streams: it knows what was handled, and whether the plugin is paused. */
  private async open(bus: Bus, since: Date, retries: number): Promise<string[]> {
    const subjects = [`plugin.${this.name}.command`, ...this.subscriptions.map((s) => s.subject)], ago = new Date(since.getTime() - this.maxAge * 1000);
    return (await bus.provision<{ streams: string[] }>("durable", JSON.stringify({
      subjects, since, commands_since: ago, ack_wait: ackWait * 1e6, max_deliver: retries + 11, max_ack_pending: 1000,
    }))).streams;
  }

  /** The settings in a channel as they are now: the channel's, else those of all channels, else the defaults. */
  private async settings(bus: Bus, channel: string): Promise<Values<S>> {
    const keys = /^[\w-]{1,64}$/.test(channel) ? [this.name, `${this.name}.${channel.toLowerCase()}`] : [this.name];
    const kv = await bucket(bus, "settings");
    const entries = this.options.settings ? await Promise.all(keys.map((key) => kv.get(key))) : [];
    const set = Object.assign({}, ...entries.map((e) => e?.operation === "PUT" && e.json<any>().values));
    return Object.fromEntries(Object.entries(this.options.settings ?? {}).map(([key, s]) => {
      if (key in set && fits(s, set[key])) return [key, set[key]];
      if (key in set) this.log("setting not valid, default used", { key });
      return [key, s.default];
    })) as Values<S>;
  }

  private async context(bus: Bus, e: Stored, signal = new AbortController().signal): Promise<Context<any, Values<S>>> {
    return new Context(bus, e, await this.settings(bus, e.data.channel ?? ""), signal);
  }

  private async handle(bus: Bus, e: Stored, signal: AbortSignal, isOlder: (seconds: number) => Promise<boolean>): Promise<Output[]> {
    if (e.subject === `plugin.${this.name}.command`) return this.runCommand(bus, e, signal, isOlder);
    const s = this.subscriptions.find((s) => matches(s.subject, e.subject));
    if (!s || (await isOlder(s.maxAge))) return [];
    return this.call(bus, e, signal, s.handler);
  }

  private async runCommand(bus: Bus, e: Stored, signal: AbortSignal, isOlder: (seconds: number) => Promise<boolean>): Promise<Output[]> {
    const { command, user } = e.data;
    if (typeof command !== "string" || typeof user !== "string" || !command || !user) throw new Permanent("malformed event: command and user are required");
    if (await isOlder(this.maxAge)) return [notice(bus, e, "expired", { age: e.waited, max_age: this.maxAge })];
    const known = this.commands.get(command.toLowerCase());
    if (!known) throw new Permanent(`plugin ${this.name} has no command "${command}"`);
    const seconds = Number(e.metadata.timeout) || known.registered.timeout || 30, late = new AbortController();
    const timer = setTimeout(() => late.abort(new TooLate("TIMEOUT", `took longer than ${seconds}s`)), seconds * 1000);
    try {
      return await this.call(bus, e, AbortSignal.any([signal, late.signal]), known.handler);
    } catch (err) {
      if (err instanceof Permanent || !answers.includes(codeOf(err)) || !(err instanceof RoseyError)) throw err;
      return [replyTo(e, `❌ ${err.message}`, { error_code: err.code })];
    } finally {
      clearTimeout(timer);
    }
  }

  private async call(bus: Bus, e: Stored, signal: AbortSignal, handler: Handler<any, any>): Promise<Output[]> {
    const c = await this.context(bus, e, signal), aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    await Promise.race([handler(c), aborted]);
    return c.outputs;
  }

  /** Answers requests, what lists the services that run, and a restart. */
  private serve(bus: Bus) {
    const { version, description = "" } = this.options, id = randomUUID(), name = bus.durable;
    const info = { name, id, version, description, metadata: { plugin: this.name }, endpoints: [] };
    const service = ["PING", "INFO"].flatMap((verb) => ["", `.${name}`, `.${name}.${id}`].map((of) => bus.nc.subscribe(`$SRV.${verb}${of}`, {
      callback: (_, m) => void m?.respond(JSON.stringify({ type: `io.nats.micro.v1.${verb.toLowerCase()}_response`, ...info })),
    })));
    const restart = bus.nc.subscribe(`rosey.plugin.${this.name}.restart`, { callback: (_, m) => { if (m?.data.length === 0 && !m.headers) this.life.abort(); } });
    const requests = [...this.endpoints].map(([subject, handler]) => bus.nc.subscribe(subject, { queue: "q", callback: (_, m) => void (m && this.answer(bus, m, handler)) }));
    return [...service, restart, ...requests];
  }

  private async answer(bus: Bus, m: Msg, handler: Handler<any, any>): Promise<void> {
    if (!m.reply || /^(\$|(cytube|plugin|platform|database|rosey)\.)/.test(m.reply)) return; // a subject that means something
    const e = requested(m.subject, m.headers);
    try {
      read(e, () => m.json());
      const c = await this.context(bus, e);
      const reply = await handler(c);
      for (const out of c.outputs) await bus.publish(e, out);
      m.respond(JSON.stringify({ success: true, ...(reply as object) }));
    } catch (err) {
      const h = headers(), code = codeOf(err), error = textOf(err);
      h.set("Nats-Service-Error", error.split("\n")[0].replace(/[^\x20-\x7e]/g, "?"));
      h.set("Nats-Service-Error-Code", code);
      this.log("request failed", { subject: m.subject, error });
      m.respond(JSON.stringify({ success: false, error, error_code: code, details: err instanceof RoseyError ? err.details : {} }), { headers: h });
    }
  }
}

/** A KV bucket. To open it asks nothing. */
const bucket = (bus: Bus, name: string) => new Kvm(bus.js).open(name, { allow_direct: true });

/** Whether a pattern matches; the contract writes cytube.* for all of cytube.>. */
function matches(pattern: string, subject: string): boolean {
  const parts = pattern.replace(/^(cytube|plugin|platform)\.\*$/, "$1.>").split(".").map((p) => ({ "*": "[^.]+", ">": ".+" })[p] ?? p.replace(/\W/g, "\\$&"));
  return new RegExp(`^${parts.join("\\.")}$`).test(subject);
}

function fits(s: Setting<any>, v: unknown): boolean {
  const kind = Array.isArray(v) ? "array" : Number.isInteger(v) && s.type === "integer" ? "integer" : typeof v;
  if (kind !== s.type || (s.enum && !s.enum.includes(v))) return false;
  return typeof v !== "number" || (v >= (s.minimum ?? -Infinity) && v <= (s.maximum ?? Infinity));
}
