import type { Context } from "./context.js";
import type { GetReply, QueryReply, SetReply } from "./contract.js";
import { RoseyError } from "./errors.js";
import type { Output } from "./event.js";

export type Id = string | number;
type Handled = Record<string, { at: number; out?: Output[] }>;

const window = 20 * 60_000; // ms that a message ID is remembered for

/** The records of one collection. The writes of a redelivered event are recognised. */
export class Collection<T extends object = Record<string, any>> {
  constructor(private readonly c: Context, private readonly name: string) {}

  /** A record; RECORD_NOT_FOUND if there is none. */
  async get(id: Id): Promise<T> {
    return (await this.ask<GetReply>("get", { id })).data as T;
  }

  /** Creates or replaces a record. */
  async set(id: Id | null, data: T): Promise<Id> {
    return (await this.ask<SetReply>("set", { id, data }, id)).id!;
  }

  /** Creates a record under the next number, which it returns. */
  add(data: T): Promise<Id> {
    return this.set(null, data);
  }

  /** The matching records and how many match in all: see docs/database.md for filters. */
  async find(query: { filter?: object; limit?: number; offset?: number; order_by?: string } = {}): Promise<{ records: T[]; count: number }> {
    const { data, count } = await this.ask<QueryReply>("query", query);
    return { records: data as T[], count: count! };
  }

  async count(filter?: object): Promise<number> {
    return (await this.find({ filter, limit: 0 })).count;
  }

  /** Changes fields of a record at once: `{ $inc: { likes: 1 } }`, and $set, $unset, $max, $min, $push. */
  async update(id: Id, ops: Record<string, object>): Promise<void> {
    await this.ask("update", { id, ops }, id);
  }

  async delete(id: Id): Promise<void> {
    await this.ask("delete", { id }, id);
  }

  /**
   * Changes a record once for the event being handled: reads it (`empty` if there is none), has
   * `change` modify it, and keeps with it what `change` replied, sent and emitted, which a
   * redelivery says again without a call. `change` is called again where others wrote in between.
   */
  async change(id: Id, empty: T, change: (record: T) => void): Promise<T> {
    const key = `${this.c.plugin}/${this.c.ref}/${this.c.count(`change/${this.name}/${id}`)}`;
    for (let i = 0; i < 100; i++) {
      const { data, revision = 0 } = await this.ask<GetReply>("get", { id }).catch((err) => {
        if (err instanceof RoseyError && err.code === "RECORD_NOT_FOUND") return { data: undefined, revision: undefined };
        throw err;
      });
      const { _handled: handled = {}, ...record } = { ...structuredClone(empty), ...data } as T & { _handled?: Handled };
      if (this.c.ref && handled[key]) {
        if (Date.now() - handled[key].at < window - 60_000) this.c.outputs.push(...(handled[key].out ?? []));
        return record as unknown as T;
      }
      const before = this.c.outputs.length, was = JSON.stringify(record);
      change(record as unknown as T);
      const out = this.c.outputs.slice(before);
      if (out.length === 0 && JSON.stringify(record) === was) return record as unknown as T;
      const done = this.c.ref ? { _handled: prune({ ...handled, [key]: { at: Date.now(), out } }) } : {};
      try {
        await this.ask("set", { id, data: { ...record, ...done }, if_revision: revision }, id, `change/${this.name}/${id}/${revision}`);
        return record as unknown as T;
      } catch (err) {
        if (!(err instanceof RoseyError) || err.code !== "DATABASE_ERROR" || !("if_revision" in err.details)) throw err;
        this.c.outputs.length = before;
      }
    }
    throw new RoseyError("DATABASE_ERROR", `record ${id} of ${this.name} is changed by others all the time`);
  }

  private ask<R = unknown>(op: string, payload: object, id?: Id | null, kind?: string): Promise<R> {
    const write = id !== undefined ? (kind ?? `${op}/${this.name}/${id ?? ""}`) : undefined;
    return this.c.request(`database.${op}`, { collection: this.name, ...payload }, { kind: write });
  }
}

/** Drops what no redelivery needs, and keeps the record small. */
function prune(done: Handled): Handled {
  const newest = Object.entries(done).sort(([, a], [, b]) => b.at - a.at);
  const old = (at: number) => Date.now() - at > window;
  return Object.fromEntries(newest.filter(([, h], i) => i < 16 || (i < 256 && !old(h.at))).map(([k, h], i) => [k, i >= 64 || old(h.at) ? { at: h.at } : h]));
}
