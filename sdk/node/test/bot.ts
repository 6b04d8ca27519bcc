import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";

export const program = process.env.ROSEY_TEST_PROGRAM;

export interface Line { subject: string; data: any; body: any; headers: Map<string, string> }

/** A real bot in a channel of its own, and a plugin beside it. */
export class Bot {
  readonly lines: Line[] = [];
  nc!: NatsConnection;
  plugin?: ChildProcess;
  log = ""; // of the plugin's process
  private process!: ChildProcess;
  private readonly dir = mkdtempSync(join(tmpdir(), "rosey-sdk-"));
  private waiting: () => void = () => {};

  async start(): Promise<void> {
    this.process = spawn(program!, ["run", "--local", "--store", join(this.dir, "store")], { stdio: ["pipe", "ignore", "ignore"] });
    await until(() => { try { this.rosey("status"); return true; } catch { return false; } });
    const env = Object.fromEntries([...this.rosey("status", "--output", "env").matchAll(/(\w+)='(.*?)'/g)].map((m) => m.slice(1)));
    this.nc = await connect({ servers: env.NATS_URL, user: env.NATS_USER, pass: env.NATS_PASSWORD });
    process.env.NATS_URL = env.NATS_URL;
    for (const pattern of ["cytube.send.>", "plugin.*.event.>", "plugin.nobody.request"]) {
      this.nc.subscribe(pattern, { callback: (_, m) => {
        const body = m.json<any>();
        this.lines.push({ subject: m.subject, data: body.data ?? body, body, headers: new Map(m.headers?.keys().map((k) => [k, m.headers!.get(k)])) });
        this.waiting();
      } });
    }
    await this.nc.flush();
    this.rosey("plugin", "creds", "probe", "--file", join(this.dir, "probe.creds"));
  }

  async stop(): Promise<void> {
    await this.stopPlugin();
    await this.nc?.close();
    await this.kill("SIGTERM");
    rmSync(this.dir, { recursive: true });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await Promise.all([once(this.process, "exit"), this.process.kill(signal)]);
  }

  rosey(...args: string[]): string {
    return execFileSync(program!, [...args, "--store", join(this.dir, "store")], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  }

  /** Starts the plugin and waits until it reads its commands. */
  async startPlugin(env: Record<string, string> = {}): Promise<void> {
    const { NATS_USER, NATS_PASSWORD, ...rest } = process.env;
    this.plugin = spawn(process.execPath, [join(import.meta.dirname, "probe.js")], { env: { ...rest, NATS_CREDS: join(this.dir, "probe.creds"), ...env }, stdio: ["ignore", "ignore", "pipe"] });
    this.log = "";
    await new Promise<void>((running, failed) => {
      this.plugin!.stderr!.on("data", (text) => (this.log += text).includes("plugin runs") && running());
      this.plugin!.once("exit", (code) => failed(new Error(`the plugin ended with ${code}:\n${this.log}`)));
    });
  }

  async stopPlugin(): Promise<number | null> {
    if (!this.plugin || this.plugin.exitCode !== null || this.plugin.signalCode !== null) return null;
    this.plugin.kill("SIGTERM");
    return (await once(this.plugin, "exit"))[0];
  }

  say(line: string): void {
    this.process.stdin!.write(line + "\n");
  }

  /** The next event that matches, from `from` on. */
  async next(from: number, matches: (l: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.slice(from).find(matches);
      if (found) return found;
      await new Promise<void>((heard) => (this.waiting = heard));
    }
  }

  /** Says a line, and returns the next thing that the plugin says. */
  async ask(line: string): Promise<string> {
    const from = this.lines.length;
    this.say(line);
    return (await this.next(from, (l) => l.subject === "cytube.send.chat")).data.message;
  }
}

export async function until(ok: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await ok())) await new Promise((done) => setTimeout(done, 50));
}
