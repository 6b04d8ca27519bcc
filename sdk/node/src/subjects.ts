import { RoseyError } from "./errors.js";

/** The streams that a plugin reads, with their subjects. */
const streams: Record<string, string[]> = {
  CYTUBE: ["cytube.>"],
  PLUGIN: ["plugin.*.command", "plugin.*.event", "plugin.*.event.>"],
  PLATFORM: ["platform.>"],
};

/** The narrowest pattern that matches what both match, if there is one. */
export function intersect(a: string, b: string): string | undefined {
  const as = a.split("."), bs = b.split("."), out: string[] = [];
  for (let i = 0; ; i++) {
    const x = as[i], y = bs[i];
    if (x === undefined && y === undefined) return out.join(".");
    if (x === undefined || y === undefined) return undefined;
    if (x === ">") return [...out, ...bs.slice(i)].join(".");
    if (y === ">") return [...out, ...as.slice(i)].join(".");
    if (x !== "*" && y !== "*" && x !== y) return undefined;
    out.push(x === "*" ? y : x);
  }
}

export const matches = (pattern: string, subject: string) => intersect(widen(pattern), subject) === subject;

/** The contract writes cytube.* for all of cytube.>. */
const widen = (pattern: string) => pattern.replace(/^(cytube|plugin|platform)\.\*$/, "$1.>");

/** The filters of the durable consumers that read patterns, by stream. */
export function filters(patterns: string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const pattern of patterns) {
    let any = false;
    for (const [stream, subjects] of Object.entries(streams)) {
      for (const filter of subjects.map((s) => intersect(widen(pattern), s))) {
        if (filter === undefined) continue;
        any = true;
        const kept = found.get(stream) ?? [];
        if (kept.some((k) => intersect(k, filter) === filter)) continue; // covered
        found.set(stream, [...kept.filter((k) => intersect(filter, k) !== k), filter]);
      }
    }
    if (!any) throw new RoseyError("INVALID_INPUT", `no stream holds "${pattern}": use subjects such as cytube.> or plugin.*.event.>`);
  }
  return found;
}
