import { jobLog } from "../log.ts";

/** Lines a second that name single jobs; what is beyond is counted. */
const LINES_PER_SECOND = 100;

/**
 * Says what became of jobs: each one up to 100 a second, beyond that how many
 * there were. Nothing is built for lines that nobody prints.
 */
export class JobLog implements Disposable {
  readonly #limit: number;
  readonly #quiet: boolean;
  readonly #timer: ReturnType<typeof setInterval>;
  #lines = 0;
  #uncounted = 0;

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
    if (shown !== undefined && this.#lines < this.#limit) {
      this.#lines++;
      jobLog.info("Job finished and result is {result}", { result: shown });
    } else this.#uncounted++;
  }

  /** An attempt failed. `next` says what happens now. */
  failed(id: string, error: string, next: string): void {
    if (this.#lines++ < this.#limit) {
      jobLog.warn("The job {id} failed: {error}; {next}", { id, error, next });
    }
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

  #second(): void {
    if (this.#uncounted > 0) {
      jobLog.info("{count} jobs finished", { count: this.#uncounted });
    }
    this.#lines = this.#uncounted = 0;
  }
}
