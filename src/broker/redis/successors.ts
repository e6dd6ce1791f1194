import { encodeOutcome } from "../../job/outcome.ts";
import type { Cancellation, Entry, Predecessor } from "../broker.ts";
import type { Connection } from "./connection.ts";
import { type KeySpace, type QueueKeys, splitId } from "./keys.ts";
import { explain, type ScriptRunner } from "./scripts.ts";

/** A job that waits for others makes sure again and again that it is known. */
const LOOK_AGAIN_SECONDS = 60;
/** After so long it is cancelled. */
const GIVE_UP_MS = 30 * 86_400_000;
/** Jobs of one command. */
const MOST = 200;

/** What is known of a job that waits for others, beside its message. */
interface Blocked {
  readonly group?: string;
  readonly after: readonly Predecessor[];
}

/**
 * Jobs that start after others have ended, on whatever queue and node these
 * are. Three steps, each of which can be repeated:
 *
 * 1. the job is stored with the names of those it waits for (`block`);
 * 2. at the queue of each of them is noted who waits (`await`);
 * 3. one that ends leaves its name with who waits, in the step that settles it,
 *    and whoever sees that takes it off the list of those (`arrive`).
 *
 * Should the sender die between 1 and 2, the reaper does 2 a minute later.
 */
export class Successors {
  readonly #connection: Connection;
  readonly #runner: ScriptRunner;
  readonly #space: KeySpace;

  constructor(connection: Connection, runner: ScriptRunner, space: KeySpace) {
    this.#connection = connection;
    this.#runner = runner;
    this.#space = space;
  }

  /** Stores a job that waits for others. */
  async store({ id, queue, message, group, after = [] }: Entry): Promise<void> {
    const known: Blocked = { group, after };
    const { meta, blocked, blockedDue } = this.#space.of(queue);
    await this.#runner.run("block", [meta, blocked, blockedDue], [
      id,
      String(LOOK_AGAIN_SECONDS),
      JSON.stringify(known),
      message,
      ...after.map((job) => job.id),
    ]);
    await this.#await(queue, id, after);
  }

  /** Tells those who wait that jobs of this queue have ended. */
  async deliver({ arrivals }: QueueKeys): Promise<void> {
    for (;;) {
      const page = await this.#call(
        ["LRANGE", arrivals, "0", String(MOST - 1)],
      ) as string[];
      if (page.length === 0) return;
      const waiting = new Map<string, string[]>();
      for (const entry of page) {
        const [ended, ...names] = entry.split("\n");
        for (const name of names) {
          const [queue, id] = name.split(" ");
          const pairs = waiting.get(queue) ?? [];
          waiting.set(queue, pairs);
          pairs.push(id, ended);
        }
      }
      await Promise.all(
        [...waiting].map(([queue, pairs]) => this.#arrive(queue, pairs)),
      );
      // Another worker may have done the same meanwhile.
      await Promise.all(
        page.map((entry) => this.#call(["LREM", arrivals, "1", entry])),
      );
    }
  }

  /**
   * Makes sure that jobs for which others wait know of it. Answers with those
   * that have waited too long: their predecessors will never end.
   */
  async look(
    keys: QueueKeys,
    ids: readonly string[],
  ): Promise<Cancellation[]> {
    const outcome = encodeOutcome({ kind: "cancelled" });
    const forgotten: Cancellation[] = [];
    const { meta, blocked, blockedDue, queue } = keys;
    for (const id of ids) {
      const [json, tooLong] = await this.#runner.run(
        "look",
        [meta, blocked, blockedDue],
        [id, String(LOOK_AGAIN_SECONDS * 1000), String(GIVE_UP_MS)],
      ) as [string, number];
      if (json === "") continue;
      if (tooLong === 1) forgotten.push({ id, dueMs: 0, outcome });
      else await this.#await(queue, id, (JSON.parse(json) as Blocked).after);
    }
    return forgotten;
  }

  async #await(
    queue: string,
    id: string,
    after: readonly Predecessor[],
  ): Promise<void> {
    const byQueue = Map.groupBy(after, (job) => job.queue);
    const ended = await Promise.all(
      [...byQueue].map(async ([name, jobs]) => {
        const ids: string[] = [];
        for (let from = 0; from < jobs.length; from += MOST) {
          const part = jobs.slice(from, from + MOST);
          ids.push(...await this.#awaitOf(name, part, `${queue} ${id}`));
        }
        return ids;
      }),
    );
    await this.#arrive(queue, ended.flat().flatMap((other) => [id, other]));
  }

  async #awaitOf(
    queue: string,
    jobs: readonly Predecessor[],
    waiting: string,
  ): Promise<string[]> {
    const keys = this.#space.of(queue);
    const buckets = new Map<string, number>();
    const args = [waiting];
    for (const { id } of jobs) {
      const { bucket, field } = splitId(id);
      let number = buckets.get(bucket);
      if (number === undefined) {
        buckets.set(bucket, number = buckets.size + 1);
      }
      args.push(id, String(number), field);
    }
    return await this.#runner.run("await", [
      keys.meta,
      keys.awaited,
      ...[...buckets.keys()].map((bucket) => keys.results(bucket)),
    ], args) as string[];
  }

  async #arrive(queue: string, pairs: readonly string[]): Promise<void> {
    const keys = this.#space.of(queue);
    for (let from = 0; from < pairs.length; from += 2 * MOST) {
      await this.#runner.run("arrive", [
        keys.meta,
        keys.blocked,
        keys.blockedDue,
        keys.ready,
        keys.groups,
        keys.ring,
        keys.groupDue,
      ], pairs.slice(from, from + 2 * MOST));
    }
  }

  async #call(command: string[]): Promise<unknown> {
    const key = command[1];
    try {
      return await this.#connection.call(key, command);
    } catch (error) {
      throw await explain(this.#connection, error, "see what has ended", [key]);
    }
  }
}
