import type { Batch } from "../broker/broker.ts";
import { Slot } from "../thread/protocol.ts";

const OPEN = 0;
const LEAVING = 1;
const GONE = 2;

/**
 * A reserved batch on its way through the job thread: its claim table, shared
 * with that thread, and what is left of it.
 *
 * Each job has a slot. The thread swaps it from `waiting` before it runs the
 * job, the main thread swaps it to take the job back; whoever is first has it.
 */
export class Flight {
  readonly number: number;
  readonly queue: string;
  readonly kind: Batch["kind"];
  /** As in its batch. */
  readonly cancels: number;
  readonly messages: readonly string[];
  readonly tokens: string[];
  readonly buffer: SharedArrayBuffer;
  readonly dispatchedAtMs: number;
  readonly #slots: Int32Array;
  readonly #progress: Uint8Array;
  #unsettled: number;
  #unended: number;
  #leaving = 0;

  /** Names of the batch and its jobs, as the broker gave them. */
  constructor(number: number, queue: string, batch: Batch, nowMs: number) {
    this.number = number;
    this.queue = queue;
    this.kind = batch.kind;
    this.cancels = batch.cancels;
    this.messages = batch.messages;
    this.tokens = [...batch.tokens];
    this.dispatchedAtMs = nowMs;
    this.#unsettled = this.#unended = batch.messages.length;
    this.buffer = new SharedArrayBuffer(4 * batch.messages.length);
    this.#slots = new Int32Array(this.buffer);
    this.#progress = new Uint8Array(batch.messages.length);
  }

  /** Jobs whose end is not known: neither ended nor taken back. */
  get unended(): number {
    return this.#unended;
  }

  /** Jobs that the broker still holds for this worker. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Of these, jobs in a settle or release that is under way. */
  get leaving(): number {
    return this.#leaving;
  }

  /** The state of one slot. */
  slot(index: number): number {
    return Atomics.load(this.#slots, index);
  }

  /** How many slots are in which state. */
  count(): { waiting: number; started: number; moved: number } {
    let waiting = 0;
    let started = 0;
    for (let index = 0; index < this.#slots.length; index++) {
      const slot = Atomics.load(this.#slots, index);
      if (slot === Slot.waiting) waiting++;
      else if (slot === Slot.loading || slot === Slot.running) started++;
    }
    return { waiting, started, moved: this.#slots.length - waiting };
  }

  /** Indices of the jobs that have started and not ended. */
  started(): number[] {
    const indices: number[] = [];
    for (let index = 0; index < this.#slots.length; index++) {
      const slot = Atomics.load(this.#slots, index);
      if (slot === Slot.loading || slot === Slot.running) indices.push(index);
    }
    return indices;
  }

  /** Wins all slots that have not started; they stay won. */
  takeBack(): number[] {
    const indices: number[] = [];
    for (let index = 0; index < this.#slots.length; index++) {
      if (this.takeBackOne(index)) indices.push(index);
    }
    return indices;
  }

  /** Wins one slot, if it has not started. */
  takeBackOne(index: number): boolean {
    const won = Atomics.compareExchange(
      this.#slots,
      index,
      Slot.waiting,
      Slot.taken,
    ) === Slot.waiting;
    if (won) this.#unended--;
    return won;
  }

  /** The end of a job is known. `false`: it was known already. */
  ended(index: number): boolean {
    if (this.#progress[index] !== OPEN) return false;
    this.#unended--;
    return true;
  }

  /** A settle or release of this job is sent. `false`: it was sent before. */
  leave(index: number): boolean {
    if (this.#progress[index] !== OPEN) return false;
    this.#progress[index] = LEAVING;
    this.#leaving++;
    return true;
  }

  /** It was answered: the broker does not hold the job any more. */
  gone(index: number): void {
    if (this.#progress[index] === GONE) return;
    if (this.#progress[index] === LEAVING) this.#leaving--;
    this.#progress[index] = GONE;
    this.#unsettled--;
  }

  /** Whether the broker holds this job, as far as is known. */
  holds(index: number): boolean {
    return this.#progress[index] !== GONE;
  }

  /** Tokens of all jobs that the broker holds, as far as is known. */
  heldTokens(): string[] {
    return this.tokens.filter((_, index) => this.#progress[index] !== GONE);
  }
}
