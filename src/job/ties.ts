import type { Message } from "./message.ts";

/** What a job has in its store beside its place in a queue. */
export interface Ties {
  /** Of the job: who has what. */
  readonly id: string;
  /** The unique key that it lets go when it ends. */
  readonly unique?: string;
  /** Its group. */
  readonly group?: string;
}

/** What a job is tied to; nothing, as most are. */
export function tiesOf({ id, unique, group }: Message): Ties | undefined {
  if (id === undefined || unique === undefined && group === undefined) return;
  return { id, unique: unique?.key, group };
}

/**
 * What a job is tied to whose message can't be read otherwise, as that of a
 * later version: else it would have its key, and its place, for ever.
 */
export function tiesIn(text: string): Ties | undefined {
  let fields: { id?: unknown; unique?: { key?: unknown }; group?: unknown };
  try {
    fields = Object(JSON.parse(text));
  } catch {
    return undefined;
  }
  const { id, group } = fields;
  const key = Object(fields.unique).key;
  if (typeof id !== "string") return undefined;
  return {
    id,
    unique: typeof key === "string" ? key : undefined,
    group: typeof group === "string" ? group : undefined,
  };
}
