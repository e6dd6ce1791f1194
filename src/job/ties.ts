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
