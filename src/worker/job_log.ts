import { jobLog } from "../log.ts";

/** Lines a second of each kind that name single jobs; the rest is counted. */
const LINES_PER_SECOND = 100;

type Kind = "finished" | "failed" | "cancelled" | "put back" | "lost updates";

/** Of one kind in this second. */
interface Share {
  lines: number;
  uncounted: number;
}

/**
 * Says what became of jobs: of each kind up to 100 a second, beyond that how
 * many there were. Nothing is built for lines that nobody prints.
 */
export class JobLog implements Disposable {
  readonly #limit: number;
  readonly #quiet: boolean;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #shares: Record<Kind, Share> = {
    "finished": { lines: 0, uncounted: 0 },
    "failed": { lines: 0, uncounted: 0 },
    "cancelled": { lines: 0, uncounted: 0 },
    "put back": { lines: 0, uncounted: 0 },
    "lost updates": { lines: 0, uncounted: 0 },
  };

  /** @param verbosity -1 quiet to 3, as on the command line. */
  constructor(verbosity: number) {
    this.#quiet = verbosity < 0;
    this.#limit = verbosity >= 1 ? Infinity : LINES_PER_SECOND;
    this.#timer = setInterval(() => this.#second(), 1000);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** A job is done; `shown` is its result for the eye, if there is one. */
  done(shown: string | undefined): void {
    if (this.#quiet) return;
    if (shown === undefined) this.#shares.finished.uncounted++;
    else if (this.#admits("finished")) {
      jobLog.info("Job finished and result is {result}", { result: shown });
    }
  }

  /** An attempt failed. `next` says what happens now. */
  failed(id: string, error: string, next: string): void {
    if (!this.#admits("failed")) return;
    jobLog.warn("The job {id} failed: {error}; {next}", { id, error, next });
  }

  /** A job was cancelled: it is not run, or was stopped. */
  cancelled(id: string): void {
    if (this.#quiet || !this.#admits("cancelled")) return;
    jobLog.info("The job {id} was cancelled.", { id });
  }

  /** A message of a later program waits for one that knows it. */
  putBack(token: string): void {
    if (!this.#admits("put back")) return;
    jobLog.warn(
      "The job {token} is put back unchanged for 30 s: its message has a " +
        "version that this program does not know",
      { token },
    );
  }

  /** What a job reported could not be stored. */
  updatesLost(id: string, error: string): void {
    if (!this.#admits("lost updates")) return;
    jobLog.warn("The job {id} lost updates: {error}", { id, error });
  }

  /** An attempt exceeded its ttl. */
  timedOut(id: string, ttlSeconds: number): void {
    jobLog.warn("The job {id} timed out for {seconds} seconds.", {
      id,
      seconds: ttlSeconds,
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#second();
  }

  #admits(kind: Kind): boolean {
    const share = this.#shares[kind];
    if (share.lines < this.#limit) {
      share.lines++;
      return true;
    }
    share.uncounted++;
    return false;
  }

  #second(): void {
    for (const [kind, share] of Object.entries(this.#shares)) {
      const { uncounted: count } = share;
      share.lines = share.uncounted = 0;
      if (count === 0) continue;
      if (kind === "finished") {
        jobLog.info("{count} more jobs finished", { count });
      } else jobLog.warn("{count} more jobs {kind}", { count, kind });
    }
  }
}
