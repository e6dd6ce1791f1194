import { parseToken, type Store } from "./store.ts";

/** What is left of one batch, of the jobs that were asked for. */
interface HeldBatch {
  readonly id: number;
  readonly mark: string;
  /** Jobs of the whole batch that are held. */
  readonly all: number;
  /** Of the tokens in question. */
  readonly held: Set<number>;
  readonly left: number[];
}

/** Some jobs of one batch. */
export interface BatchPart {
  readonly batch: number;
  readonly mark: string;
  /** As JSON, for `json_each`. */
  readonly seqs: string;
  readonly count: number;
}

/** Which of some tokens a worker holds; in the open transaction. */
export class HeldJobs {
  readonly #store: Store;
  readonly #queue: number;
  readonly #worker: string;
  readonly #batches = new Map<number, HeldBatch>();

  constructor(
    store: Store,
    queue: number,
    worker: string,
    tokens: readonly string[],
  ) {
    this.#store = store;
    this.#queue = queue;
    this.#worker = worker;
    const asked = new Map<number, number[]>();
    for (const token of tokens) {
      const parts = parseToken(token);
      if (parts === undefined) continue;
      const seqs = asked.get(parts.batch);
      if (seqs === undefined) asked.set(parts.batch, [parts.seq]);
      else seqs.push(parts.seq);
    }
    for (const [batch, seqs] of asked) this.#look(batch, seqs);
  }

  /** Takes a token off, if it is held; `false` also the second time. */
  leave(token: string): boolean {
    const parts = parseToken(token);
    const batch = parts && this.#batches.get(parts.batch);
    if (batch === undefined || batch.mark !== parts!.mark) return false;
    if (!batch.held.delete(parts!.seq)) return false;
    batch.left.push(parts!.seq);
    return true;
  }

  /** What was taken off so far, batch by batch, in the order of reservation. */
  parts(): BatchPart[] {
    return [...this.#batches.values()]
      .filter(({ left }) => left.length > 0)
      .map(({ id, mark, left }) => ({
        batch: id,
        mark,
        seqs: JSON.stringify(left),
        count: left.length,
      }));
  }

  /** Deletes what was taken off. */
  remove(): void {
    const { db } = this.#store;
    for (const { id, all, left } of this.#batches.values()) {
      if (left.length === all) {
        this.#store.forgetBatch(this.#queue, this.#worker, id);
      } else if (left.length > 0) {
        db.run(
          `DELETE FROM held_job WHERE queue = ? AND batch = ?
             AND seq IN (SELECT value FROM json_each(?))`,
          this.#queue,
          id,
          JSON.stringify(left),
        );
        db.run(
          `UPDATE held_batch SET held = held - ?
             WHERE queue = ? AND worker = ? AND id = ?`,
          left.length,
          this.#queue,
          this.#worker,
          id,
        );
      }
    }
  }

  #look(batch: number, seqs: readonly number[]): void {
    const { db } = this.#store;
    const row = db.row(
      "SELECT mark, held FROM held_batch WHERE queue = ? AND worker = ? AND id = ?",
      this.#queue,
      this.#worker,
      batch,
    ) as [string, number] | undefined;
    if (row === undefined) return;
    const [mark, all] = row;
    // Reading a whole batch is faster than looking for many single jobs.
    const held = all <= 4 * seqs.length
      ? db.value(
        "SELECT json_group_array(seq) FROM held_job WHERE queue = ? AND batch = ?",
        this.#queue,
        batch,
      )
      : db.value(
        `SELECT json_group_array(seq) FROM held_job WHERE queue = ? AND batch = ?
           AND seq IN (SELECT value FROM json_each(?))`,
        this.#queue,
        batch,
        JSON.stringify(seqs),
      );
    this.#batches.set(batch, {
      id: batch,
      mark,
      all,
      held: new Set(JSON.parse(held as string) as number[]),
      left: [],
    });
  }
}
