/**
 * Looking into queues: what operators need, apart from what workers need.
 *
 * @module
 */

/** One entry of a failed set. */
export interface FailedRecord {
  readonly queue: string;
  /** Names this entry to `replay` and `remove`. */
  readonly key: string;
  /** When it came there, in milliseconds since 1970. */
  readonly atMs: number;
  /** See `decodeFailedEntry` in `job/outcome.ts`. */
  readonly entry: string;
}

/** Lists and changes what lies in queues. */
export interface Inspector extends AsyncDisposable {
  /** Names of all queues that were ever used, sorted. */
  queues(): Promise<string[]>;

  /** The failed set of a queue, oldest first, read page by page. */
  failed(queue: string): AsyncIterable<FailedRecord>;

  /**
   * Takes an entry out of the failed set and puts `message` at the end of the
   * queue; the outcome stored under `id` is forgotten, so that the job is
   * pending again. `false`: the entry is not there any more.
   */
  replay(
    record: FailedRecord,
    message: string,
    id?: string,
  ): Promise<boolean>;

  /** Removes an entry of the failed set. `false`: it is not there any more. */
  remove(record: FailedRecord): Promise<boolean>;
}
