/** Jobs that report, in real workers. */
import assert from "node:assert/strict";
import { type BrokerKind, Site } from "../guarantees/site.ts";
import { eventually } from "../harness/eventually.ts";

const JOBS = `
export async function counts(count: number): Promise<string> {
  for (let n = 1; n <= count; n++) await currentJob().report(n);
  return "counted";
}
export function countsAtOnce(count: number): string {
  for (let n = 1; n <= count; n++) void currentJob().report(n);
  return "counted";
}
export async function* words(text: string): AsyncGenerator<string, number> {
  const all = text.split(" ");
  for (const word of all) {
    await sleep(5);
    yield word;
  }
  return all.length;
}
export async function failsFirst(): Promise<string> {
  const { attempt } = currentJob();
  await currentJob().report("attempt " + attempt);
  if (attempt === 1) throw new Error("not yet");
  await currentJob().report("goes well");
  return "done";
}
export async function* waitsFor(path: string): AsyncGenerator<string> {
  for (let n = 1;; n++) {
    yield "step " + n;
    try {
      Deno.statSync(path);
      return;
    } catch {
      await sleep(20);
    }
  }
}
export async function* endless(): AsyncGenerator<number> {
  ran();
  try {
    for (let n = 1;; n++) yield n;
  } finally {
    Deno.writeTextFileSync("finally.txt", "ran");
  }
}
export async function follows(handle: string): Promise<unknown[]> {
  const { connect } = await import("@mqk/core");
  const updates = connect().job(handle).updates();
  return await Array.fromAsync(updates, ({ value }) => value);
}
`;

type Jobs = {
  counts(count: number): Promise<string>;
  countsAtOnce(count: number): string;
  words(text: string): AsyncGenerator<string, number>;
  failsFirst(): Promise<string>;
  waitsFor(path: string): AsyncGenerator<string>;
  endless(): AsyncGenerator<number>;
  follows(handle: string): Promise<unknown[]>;
};

const numbersTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

for (const kind of ["redis", "sqlite"] as BrokerKind[]) {
  Deno.test(`${kind}: a generator's values come to who follows it, and its return is the result`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using _mqk = await site.run("--workers=1");
    const jobs = site.client.jobs<Jobs>("./jobs.ts");
    const job = await jobs.words("one two three");
    const words: string[] = [];
    for await (const { value } of job.updates()) words.push(value);
    assert.deepEqual(words, ["one", "two", "three"]);
    assert.equal(await job.result(), 3);
  });

  Deno.test(`${kind}: 10,000 updates arrive in order, and those that were dropped are known`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using _mqk = await site.run("--workers=1");
    const jobs = site.client.jobs<Jobs>("./jobs.ts");
    for (
      const job of [await jobs.counts(10_000), await jobs.countsAtOnce(10_000)]
    ) {
      let last = 0;
      let count = 0;
      for await (const { value, number } of job.updates()) {
        assert.equal(value, number);
        assert.ok(number > last);
        last = number;
        count++;
      }
      assert.equal(last, 10_000);
      assert.ok(count >= 1000, `${count} updates`);
      assert.equal(await job.result(), "counted");
      const late = await Array.fromAsync(job.updates());
      assert.deepEqual(
        late.map(({ value }) => value),
        numbersTo(10_000).slice(-1000),
      );
    }
  });

  Deno.test(`${kind}: a job that is tried again reports again`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using _mqk = await site.run("--workers=1");
    const job = await site.client.invoke({
      job: "./jobs.ts#failsFirst",
      backoff: { fixed: 0.1 },
    });
    const updates = await Array.fromAsync(job.updates());
    assert.deepEqual(updates, [
      { value: "attempt 1", attempt: 1, number: 1 },
      { value: "attempt 2", attempt: 2, number: 1 },
      { value: "goes well", attempt: 2, number: 2 },
    ]);
  });

  Deno.test(`${kind}: the ttl ends a generator, whose finally blocks run`, async () => {
    await using site = await Site.open(kind, JOBS);
    await using mqk = await site.run("--workers=1");
    const job = await site.client.invoke({
      job: "./jobs.ts#endless",
      ttl: 0.3,
      retries: 0,
    });
    await assert.rejects(job.result(), /failed after 1 attempt/);
    assert.equal(Deno.readTextFileSync(`${site.dir.path}/finally.txt`), "ran");
    // It ended by itself: its worker was not replaced.
    assert.ok(!mqk.stderr.some((line) => /replaced/.test(line)));
  });

  Deno.test(`${kind}: a job follows another one, in fast mode too`, async () => {
    await using site = await Site.open(kind, JOBS);
    for (const args of [["--workers=1"], ["--workers=1", "--fast"]]) {
      const mqk = await site.run(...args);
      const jobs = site.client.jobs<Jobs>("./jobs.ts");
      const words = await jobs.words("one two three");
      const following = await jobs.follows(words.handle);
      assert.deepEqual(await following.result(), ["one", "two", "three"]);
      mqk.signal("SIGTERM");
      assert.equal(await mqk.exitCode(), 0);
    }
  });
}

Deno.test("redis: who follows a job misses nothing when the server is killed meanwhile", async () => {
  await using site = await Site.open("redis", JOBS, {
    aof: true,
    config: ["--appendfsync", "always"],
  });
  await using _mqk = await site.run("--workers=1");
  const go = `${site.dir.path}/go`;
  const job = await site.client.jobs<Jobs>("./jobs.ts").waitsFor(go);
  const numbers: number[] = [];
  const following = (async () => {
    for await (const { number } of job.updates()) numbers.push(number);
  })();
  await eventually(() => assert.ok(numbers.length > 5));
  await site.redis!.kill();
  const before = numbers.length;
  await site.redis!.restart();
  await eventually(() => assert.ok(numbers.length > before + 5), 30_000);
  Deno.writeTextFileSync(go, "");
  await following;
  assert.deepEqual(numbers, numbersTo(numbers.length));
});

Deno.test("redis: a job that ends while the server is away ends its updates with the last one", async () => {
  await using site = await Site.open("redis", JOBS, { aof: true });
  await using _mqk = await site.run("--workers=1");
  const job = await site.client.jobs<Jobs>("./jobs.ts").waitsFor("go");
  const seen: string[] = [];
  const following = (async () => {
    for await (const { value } of job.updates()) seen.push(value);
  })();
  await eventually(() => assert.ok(seen.length > 2));
  await site.redis!.kill();
  const before = seen.length;
  site.dir.write("go", "");
  await new Promise((resolve) => setTimeout(resolve, 300));
  await site.redis!.restart();
  await following;
  assert.equal(await job.status(), "done");
  assert.ok(seen.length > before);
  assert.deepEqual(seen, numbersTo(seen.length).map((n) => `step ${n}`));
});

Deno.test("redis: a full server loses updates, and no job fails for it", async () => {
  await using site = await Site.open("redis", JOBS);
  await using mqk = await site.run("--workers=1");
  const jobs = site.client.jobs<Jobs>("./jobs.ts");
  await (await jobs.words("load it")).result();
  const job = await jobs.waitsFor("go");
  const updates = job.updates()[Symbol.asyncIterator]();
  await updates.next();
  await site.redis!.call("CONFIG", "SET", "maxmemory", "1");
  await eventually(() => {
    const lost = new RegExp(`The job ${job.id} lost updates: .*OOM`);
    assert.ok(mqk.stderr.some((line) => lost.test(line)));
  });
  site.dir.write("go", "");
  assert.equal(await job.result(), undefined);
  await updates.return!();
});
