import {
  type EndedOtherwise,
  type FromThread,
  Slot,
  type ToThread,
} from "./protocol.ts";
import type { RunningJob } from "./running_job.ts";

/** Of a batch longer than this, only one job in so many is measured. */
const MEASURE_ONE_IN = 16;

/**
 * The job thread's side of a batch: its claim table, which jobs run, and what
 * is not reported yet of those that ended.
 */
export class ClaimedBatch {
  readonly number: number;
  readonly queue: string;
  readonly messages: readonly string[];
  /** Jobs that run on while others start, by their index. */
  readonly running = new Map<number, RunningJob>();
  readonly #slots: Int32Array;
  #next = 0;
  #indices: number[] = [];
  #ids: (string | undefined)[] = [];
  #outcomes: (string | undefined)[] = [];
  #shown: (string | undefined)[] = [];
  #others: EndedOtherwise[] = [];
  #milliseconds: number[] = [];
  /** Each measured job stands for so many: reading the clock has its price. */
  readonly #each: number;

  constructor(
    { batch, queue, messages, slots }: Extract<ToThread, { kind: "batch" }>,
  ) {
    this.number = batch;
    this.queue = queue;
    this.messages = messages;
    this.#slots = new Int32Array(slots);
    this.#each = messages.length > MEASURE_ONE_IN ? MEASURE_ONE_IN : 1;
  }

  /** Claims the next job that was not taken back; -1 if there is none. */
  claimNext(): number {
    while (this.#next < this.messages.length) {
      const index = this.#next++;
      const won = Atomics.compareExchange(
        this.#slots,
        index,
        Slot.waiting,
        Slot.loading,
      ) === Slot.waiting;
      if (won) return index;
    }
    return -1;
  }

  /** Whether any job can still be claimed. */
  get hasWaiting(): boolean {
    while (
      this.#next < this.messages.length &&
      Atomics.load(this.#slots, this.#next) !== Slot.waiting
    ) this.#next++;
    return this.#next < this.messages.length;
  }

  /** Nothing runs, nothing waits, nothing is left to report. */
  get isOver(): boolean {
    return this.running.size === 0 && !this.hasWaiting && !this.#hasReport;
  }

  /** Its function is about to be called: from here on its ttl counts. */
  starts(index: number): void {
    Atomics.store(this.#slots, index, Slot.running);
  }

  /** Whether it is to be measured how long a job runs. */
  measures(index: number): boolean {
    return index % this.#each === 0;
  }

  /** A measured job has run. */
  ran(milliseconds: number): void {
    this.#milliseconds.push(milliseconds);
  }

  /** A job is done. Without `outcome` nobody wants it. */
  done(index: number, id?: string, outcome?: string, shown?: string): void {
    if (shown !== undefined) this.#shown[this.#indices.length] = shown;
    this.#indices.push(index);
    this.#ids.push(id);
    this.#outcomes.push(outcome);
    Atomics.store(this.#slots, index, Slot.ended);
  }

  /** A job ended in another way. */
  ended(how: EndedOtherwise): void {
    this.#others.push(how);
    Atomics.store(this.#slots, how.index, Slot.ended);
  }

  /** Changes how a job ended; `false` if that was reported already. */
  amend(how: EndedOtherwise): boolean {
    const at = this.#indices.indexOf(how.index);
    if (at === -1) return false;
    this.#indices.splice(at, 1);
    this.#ids.splice(at, 1);
    this.#outcomes.splice(at, 1);
    this.#shown.splice(at, 1);
    this.#others.push(how);
    return true;
  }

  /** What ended since the last report. */
  takeReport(): FromThread | undefined {
    if (!this.#hasReport) return undefined;
    const report: FromThread = {
      kind: "ended",
      batch: this.number,
      done: {
        indices: this.#indices,
        ids: this.#ids,
        outcomes: this.#outcomes,
        shown: this.#shown,
      },
      others: this.#others,
      ran: { milliseconds: this.#milliseconds, each: this.#each },
    };
    this.#indices = [];
    this.#ids = [];
    this.#outcomes = [];
    this.#shown = [];
    this.#others = [];
    this.#milliseconds = [];
    return report;
  }

  get #hasReport(): boolean {
    return this.#indices.length > 0 || this.#others.length > 0;
  }
}
