/**
 * What jobs report while they run: kept beside their queue for a while, so that
 * who comes late, or was away, reads it too. A broker never reads an update.
 *
 * @module
 */

/** Some updates of a job, in their order. */
export interface UpdatesPage {
  readonly updates: readonly string[];
  /** To read on from behind them; nothing: from the first one. */
  readonly position?: string;
}

/** What those who follow a job need. Errors are those of `Broker`. */
export interface UpdateReader {
  /** Up to `limit` stored updates of a job behind `position`. */
  read(
    queue: string,
    id: string,
    position: string | undefined,
    limit: number,
  ): Promise<UpdatesPage>;

  /**
   * Calls `changed` after updates of a job were stored, or may have been, until
   * the returned resource is disposed. Resolves when nothing stored from now on
   * can be missed.
   */
  watch(
    queue: string,
    id: string,
    changed: () => void,
  ): Promise<AsyncDisposable>;
}

/** The updates of jobs, as a worker uses them. */
export interface Updates extends UpdateReader {
  /**
   * Adds updates to those of a job: all, or none. The last 1,000 of a job are
   * kept, until an hour after the last one. Like a verb of `Broker`, it is done
   * before the `settle` that is called after it.
   *
   * @param worker Holds the job; nothing in fast mode, which has no lease.
   * @throws {FencedError} If the worker's lease has lapsed: nothing is stored.
   */
  append(
    worker: string | undefined,
    queue: string,
    id: string,
    updates: readonly string[],
  ): Promise<void>;
}
