/** What those see who follow a job; the test plays its worker. */
import assert from "node:assert/strict";
import { connect } from "../../src/client/client.ts";
import type { Job } from "../../src/client/job.ts";
import type { JobUpdate } from "../../src/client/updates.ts";
import {
  ArgumentError,
  BrokerError,
  JobFailedError,
  ResultNotKeptError,
  ResultTimeoutError,
} from "../../src/errors.ts";
import { errorData } from "../../src/job/outcome.ts";
import { encodeUpdate } from "../../src/job/update.ts";
import { onEachBroker, returned, type Scene } from "./scene.ts";

const SUM = "mqk:calculator#sum";

/** One run of a job that reports. */
class Run {
  readonly #run = crypto.randomUUID().slice(0, 8);
  #number = 0;

  constructor(
    readonly scene: Scene,
    readonly job: Job,
    readonly attempt = 1,
  ) {}

  async report(...values: unknown[]): Promise<void> {
    await this.#store(values.map((value) => this.#text(++this.#number, value)));
  }

  /** As a worker does that got no answer. */
  async reportAgain(number: number, value: unknown): Promise<void> {
    await this.#store([this.#text(number, value)]);
  }

  #text(number: number, value: unknown): string {
    return encodeUpdate(
      { run: this.#run, attempt: this.attempt, number },
      value,
    );
  }

  async #store(texts: string[]): Promise<void> {
    await this.scene.broker.updates
      .append(undefined, "default", this.job.id, texts);
  }
}

async function all(job: Job): Promise<unknown[]> {
  const updates = await Array.fromAsync(job.updates());
  return updates.map(({ value }) => value);
}

onEachBroker(
  "updates come as they are reported, until the job ends",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    const run = new Run(scene, job);
    const updates = job.updates()[Symbol.asyncIterator]();
    for (let n = 1; n <= 5; n++) {
      const next = updates.next();
      await run.report({ n, "": [null, "ä\u0000😀"] });
      assert.deepEqual(await next, {
        done: false,
        value: {
          value: { n, "": [null, "ä\u0000😀"] },
          attempt: 1,
          number: n,
        },
      });
    }
    const last = updates.next();
    await scene.end(returned(3));
    assert.deepEqual(await last, { done: true, value: undefined });
    assert.deepEqual(await updates.next(), { done: true, value: undefined });
  },
);

onEachBroker(
  "who comes late, even after the end, gets all that is stored",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    const run = new Run(scene, job);
    const values = Array.from({ length: 250 }, (_, i) => i);
    await run.report(...values.slice(0, 120));
    const early = all(job);
    await run.report(...values.slice(120));
    await scene.end(returned(3));
    assert.deepEqual(await early, values);
    await using elsewhere = connect(scene.dsn);
    assert.deepEqual(await all(elsewhere.job(job.handle)), values);
    assert.equal(await job.result(), 3);
  },
);

onEachBroker("a job without updates only ends", async (scene) => {
  const job = await scene.client.invoke(SUM);
  const updates = all(job);
  await scene.end({ kind: "too_large", message: "2 MiB" });
  assert.deepEqual(await updates, []);
});

onEachBroker("updates of a failed job end with its error", async (scene) => {
  const job = await scene.client.invoke(SUM);
  await new Run(scene, job).report("begun");
  const error = errorData(new RangeError("too many"));
  await scene.end({ kind: "failed", error, attempts: 2 });
  const seen: unknown[] = [];
  await assert.rejects(
    async () => {
      for await (const { value } of job.updates()) seen.push(value);
    },
    (error) =>
      error instanceof JobFailedError && error.attempts === 2 &&
      (error.cause as Error).message === "too many",
  );
  assert.deepEqual(seen, ["begun"]);
});

onEachBroker(
  "each run of a job streams again, and what was stored twice comes once",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    const first = new Run(scene, job);
    await first.report("a", "b");
    await first.reportAgain(1, "a");
    await first.reportAgain(2, "b");
    await first.report("c");
    const second = new Run(scene, job);
    await second.report("a");
    await second.reportAgain(4, "d");
    await new Run(scene, job, 2).report("a");
    await scene.broker.updates.append(undefined, "default", job.id, [
      "?",
      "{}",
    ]);
    await scene.end(returned(1));
    const updates = await Array.fromAsync(
      job.updates(),
      ({ attempt, number, value }: JobUpdate) => `${attempt}.${number}${value}`,
    );
    assert.deepEqual(updates, ["1.1a", "1.2b", "1.3c", "1.1a", "1.4d", "2.1a"]);
  },
);

onEachBroker(
  "a reader slower than its job sees by the numbers what it missed",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    const run = new Run(scene, job);
    await run.report(0);
    const seen: number[] = [];
    for await (const { value, number } of job.updates()) {
      assert.equal(value, number - 1);
      seen.push(number);
      if (number !== 1) continue;
      for (let n = 1; n < 3000; n += 500) {
        await run.report(...Array.from({ length: 500 }, (_, i) => n + i));
      }
      await scene.end(returned(1));
    }
    assert.equal(seen.length, 1001);
    assert.deepEqual([seen[0], seen[1], seen.at(-1)], [1, 2002, 3001]);
  },
);

onEachBroker(
  "break and return free the subscription, also while they wait",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    await new Run(scene, job).report(1);
    for await (const _ of job.updates()) break;
    const updates = job.updates({ timeout: Infinity })[Symbol.asyncIterator]();
    await updates.next();
    const pending = updates.next();
    const startMs = performance.now();
    await updates.return!();
    assert.deepEqual(await pending, { done: true, value: undefined });
    assert.ok(performance.now() - startMs < 2000);
  },
);

onEachBroker(
  "without news a wait ends with its timeout, and an update begins another",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    const run = new Run(scene, job);
    const updates = job.updates({ timeout: 0.5 })[Symbol.asyncIterator]();
    for (let n = 0; n < 4; n++) {
      const next = updates.next();
      await new Promise((resolve) => setTimeout(resolve, 200));
      await run.report(n);
      assert.equal((await next).value.value, n);
    }
    await assert.rejects(
      updates.next(),
      (error) =>
        error instanceof ResultTimeoutError &&
        /has no update after 0\.5 s; it may still wait or run/.test(
          error.message,
        ),
    );
    assert.deepEqual(await updates.next(), { done: true, value: undefined });
    assert.equal(await job.status(), "pending");
  },
);

onEachBroker(
  "wrong options, and a job that nobody can know the end of, are refused",
  async (scene) => {
    const job = await scene.client.invoke(SUM);
    for (const timeout of [-1, NaN, "1"]) {
      assert.throws(
        () => job.updates({ timeout: timeout as number }),
        ArgumentError,
      );
    }
    const quiet = await scene.client.invoke({ job: SUM, result: false });
    assert.throws(() => quiet.updates(), ResultNotKeptError);
  },
);

onEachBroker("a client that closes ends what follows", async (scene) => {
  await using client = connect(scene.dsn);
  const job = await client.invoke(SUM);
  const updates = job.updates({ timeout: Infinity })[Symbol.asyncIterator]();
  const next = updates.next();
  await job.status();
  const rejected = assert.rejects(next, BrokerError);
  await client.close();
  await rejected;
});

onEachBroker(
  "many may follow one job, and many jobs are followed at once",
  async (scene) => {
    const jobs = await scene.client.invokeMany(Array(20).fill({ job: SUM }));
    const followed = [...jobs, ...jobs].map(all);
    await Promise.all(jobs.map(async (job, n) => {
      const run = new Run(scene, job);
      for (let i = 0; i < 10; i++) await run.report(`${n}.${i}`);
    }));
    for (const reserved of await scene.reserve(20)) {
      await reserved.end(
        returned(1),
      );
    }
    for (const [i, updates] of (await Promise.all(followed)).entries()) {
      assert.deepEqual(
        updates,
        Array.from({ length: 10 }, (_, n) => `${i % 20}.${n}`),
      );
    }
  },
);

onEachBroker("a program that stops to follow ends by itself", async (scene) => {
  const job = await scene.client.invoke(SUM);
  await new Run(scene, job).report("seen");
  const program = `
    import { connect } from ${
    JSON.stringify(import.meta.resolve("../../mod.ts"))
  };
    const job = connect(${JSON.stringify(scene.dsn)}).job(${
    JSON.stringify(job.handle)
  });
    for await (const { value } of job.updates()) {
      console.log(value);
      break;
    }
  `;
  const startMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", program],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  assert.equal(new TextDecoder().decode(stdout), "seen\n");
  assert.ok(performance.now() - startMs < 10_000);
});
