/**
 * What is between a process of the model and the store: commands leave in
 * order, and an answer may be late, lost, or never come.
 *
 * @module
 */
import { BrokerUnavailableError } from "../../src/broker/broker.ts";
import { NotSentError } from "../../src/broker/redis/errors.ts";
import { Violation } from "./ledger.ts";

/** One command as it can be run now, later, or twice. */
export interface Command {
  /** For the trace. */
  readonly text: string;
  /** Running it twice would be the fault of nobody but the test. */
  readonly onceOnly: boolean;
  run(): Promise<unknown>;
  /** It was run, and nobody hears the answer. */
  lost?(): void;
}

interface Packet {
  readonly command: Command;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  answer?: () => void;
}

/** A command that left its line, and whether the store has run it. */
export interface Stray {
  readonly command: Command;
  readonly executed: boolean;
}

/** One connection of one process. */
export class Line {
  readonly owner: string;
  /** The next command finds no connection. */
  refusing = false;
  #packets: Packet[] = [];

  constructor(owner: string) {
    this.owner = owner;
  }

  /** Sends a command; the world decides what becomes of it. */
  send(command: Command): Promise<unknown> {
    if (this.refusing) {
      this.refusing = false;
      return Promise.reject(new NotSentError("Cannot reach the store"));
    }
    return new Promise((resolve, reject) => {
      this.#packets.push({ command, resolve, reject });
    });
  }

  /** The next command that the store has not run. */
  get waiting(): Command | undefined {
    return this.#packets.find(({ answer }) => answer === undefined)?.command;
  }

  /** The oldest command was run, and its answer is on its way. */
  get answered(): boolean {
    return this.#packets[0]?.answer !== undefined;
  }

  get isEmpty(): boolean {
    return this.#packets.length === 0;
  }

  /** The store runs the next command. */
  async deliver(): Promise<void> {
    const packet = this.#packets.find(({ answer }) => answer === undefined);
    if (packet === undefined) return;
    packet.answer = await packet.command.run().then(
      (value) => () => packet.resolve(value),
      (error) => {
        if (error instanceof Violation) throw error;
        return () => packet.reject(error);
      },
    );
  }

  /** The oldest answer arrives. */
  answer(): void {
    if (this.answered) this.#packets.shift()!.answer!();
  }

  /** Nothing that was sent gets an answer any more. */
  break(): Stray[] {
    const packets = this.#packets;
    this.#packets = [];
    for (const { command, reject } of packets) {
      command.lost?.();
      reject(
        new BrokerUnavailableError(`No answer to ${command.text}: it is lost`),
      );
    }
    return packets.map(({ command, answer }) => ({
      command,
      executed: answer !== undefined,
    }));
  }

  /** The process is gone: nobody hears of anything. */
  abandon(): Stray[] {
    const packets = this.#packets;
    this.#packets = [];
    for (const { command } of packets) command.lost?.();
    return packets.map(({ command, answer }) => ({
      command,
      executed: answer !== undefined,
    }));
  }
}

/** A connection without faults: every command is run at once. */
export class DirectLine extends Line {
  override send(command: Command): Promise<unknown> {
    return command.run();
  }
}

/** Repeats a command while nobody knows whether it ran. */
export async function untilAnswered(
  command: () => Promise<unknown>,
  pause: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      await command();
      return;
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
    }
    await pause();
  }
}

/** Lets all code that can go on do so: none of it waits for a timer. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await null;
}
