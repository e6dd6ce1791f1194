import assert from "node:assert/strict";
import { JobFailedError } from "../../src/errors.ts";
import { eventually } from "../harness/eventually.ts";
import { type BrokerKind, Site } from "./site.ts";

const JOBS = `
import process, { abort, chdir as nodeChdir, exit } from "node:process";
import { setImmediate as nodeImmediate, setTimeout as nodeTimeout } from "node:timers";

/** Takes a moment, so that it runs beside what misbehaves. */
export async function neighbour(a: number) { ran(); await sleep(a % 10); return a; }

export const denoExit = () => Deno.exit(0);
export const processExit = () => process.exit(0);
export const importedExit = () => exit(0);
export const importedAbort = () => abort();
export const close = () => (globalThis as any).close();
export const chdir = () => Deno.chdir("/");
export const importedChdir = () => nodeChdir("/");
export const workingDirectory = () => Deno.cwd();

const thrower = () => { throw new Error("from a timer"); };
const later = async (start: () => unknown) => { start(); await sleep(50); };
export const timer = () => later(() => setTimeout(thrower, 0));
export const importedTimer = () => later(() => nodeTimeout(thrower, 0));
export const importedImmediate = () => later(() => nodeImmediate(thrower));
export const rejection = () => later(() => void Promise.reject(new Error("floating")));

export function postMessage() {
  (globalThis as any).postMessage({ kind: "fatal", error: { name: "Error", message: "fake" } });
  return "sent";
}
export function onmessage() {
  (globalThis as any).onmessage = () => {};
  (globalThis as any).postMessage = undefined;
  return "overwritten";
}
export function interval() { setInterval(() => {}, 1); return "left"; }
export async function print() {
  const line = "x".repeat(1023);
  for (let i = 0; i < 100 * 1024; i++) console.log(line);
  return "printed";
}
export const map = () => new Map([[1, 2]]);
export const large = () => "x".repeat(50 * 1024 * 1024);
export const largeObject = () => ({ list: Array(5_000_000).fill(1234567) });
export const getter = () => ({ get price() { throw new Error("no price"); } });
`;

/** What fails, with the words that its error must have. */
const FAILS: Readonly<Record<string, RegExp>> = {
  denoExit: /^A job can't call Deno\.exit: /,
  processExit: /^A job can't call process\.exit: /,
  importedExit: /^A job can't call process\.exit: /,
  importedAbort: /^A job can't call process\.abort: /,
  close: /^A job can't call self\.close: /,
  chdir: /^A job can't call Deno\.chdir: /,
  importedChdir: /^A job can't call process\.chdir: /,
  timer: /^from a timer$/,
  importedTimer: /^from a timer$/,
  importedImmediate: /^from a timer$/,
  rejection: /^floating$/,
};

/** What is harmless, with what it returns. */
const HARMLESS: Readonly<Record<string, string>> = {
  postMessage: "sent",
  onmessage: "overwritten",
  interval: "left",
  print: "printed",
};

/** What is done, with the reason why its result is not kept. */
const NOT_KEPT: Readonly<Record<string, RegExp>> = {
  map: /result: .*Map/,
  large: /52428802|52428800/,
  largeObject: /characters/,
  getter: /no price/,
};

for (const kind of ["redis", "sqlite"] satisfies BrokerKind[]) {
  Deno.test(`a job that misbehaves says what it did, and 100 neighbours run once (${kind})`, async () => {
    await using site = await Site.open(kind, JOBS);
    const mqk = await site.run("-w", "2");
    await eventually(() => assert.equal(mqk.workerPids.length, 2), 20_000);
    const workers = mqk.workerPids;
    const names = [FAILS, HARMLESS, NOT_KEPT].flatMap(Object.keys);
    const every = Math.ceil(100 / names.length);
    const specs = names.flatMap((name, at) => [
      ...Array.from({ length: every }, (_, i) => ({
        job: "./jobs.ts#neighbour",
        args: [at * every + i] as unknown[],
      })),
      { job: `./jobs.ts#${name}`, args: [], retries: 0 },
    ]);
    const startedAt = performance.now();
    const sent = await site.client.invokeMany(specs);
    const jobs = new Map(
      names.map((name, at) => [name, sent[at * (every + 1) + every]] as const),
    );
    const neighbours = sent.filter((_, at) => at % (every + 1) < every);

    for (const [name, reason] of Object.entries(FAILS)) {
      await assert.rejects(jobs.get(name)!.result({ timeout: 20 }), (error) => {
        assert.ok(error instanceof JobFailedError, `${name}: ${error}`);
        assert.match((error.cause as Error).message, reason, name);
        return true;
      });
    }
    for (const [name, value] of Object.entries(HARMLESS)) {
      const result = await jobs.get(name)!.result({ timeout: 20 });
      assert.equal(result, value, name);
    }
    for (const [name, reason] of Object.entries(NOT_KEPT)) {
      await assert.rejects(jobs.get(name)!.result({ timeout: 20 }), (error) => {
        assert.ok(!(error instanceof JobFailedError), `${name}: ${error}`);
        assert.match(String(error), reason, name);
        return true;
      });
    }
    const results = await Promise.all(
      neighbours.map((job) => job.result({ timeout: 20 })),
    );
    console.log(`all ended in ${Math.round(performance.now() - startedAt)} ms`);
    assert.deepEqual(results, neighbours.map((_, at) => at));
    assert.ok(neighbours.length >= 100);
    assert.equal(site.repeats(neighbours.map(({ id }) => id)), 0);
    assert.ok(site.lines().every(({ attempt }) => attempt === 1));

    // The same workers are there, in their own folder.
    const where = await site.client.invoke("./jobs.ts#workingDirectory");
    assert.equal(await where.result(), Deno.realPathSync(site.dir.path));
    assert.deepEqual(mqk.workerPids, workers);
  });
}
