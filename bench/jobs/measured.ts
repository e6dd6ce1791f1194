/**
 * Job modules of the benchmark that a worker loads from its root.
 *
 * @module
 */
const folder = Deno.env.get("MQK_BENCH_FOLDER");
/** After the last one a worker may end at once. */
const all = Number(Deno.env.get("MQK_BENCH_JOBS"));
let counted = 0;
let writing = false;

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Writes soon how many ran here: seldom, so that it costs nothing. */
function count(): void {
  counted++;
  if (counted >= all) return write();
  if (writing) return;
  writing = true;
  setTimeout(() => {
    writing = false;
    write();
  }, 20);
}

function write(): void {
  Deno.writeTextFileSync(`${folder}/${Deno.pid}`, String(counted));
}

/** As `mqk:calculator#sum`, but counted. */
export function sum(a: number, b: number): number {
  count();
  return a + b;
}

/** Waits 5 ms without work, as for an answer from elsewhere. */
export async function wait(a: number, b: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  count();
  return a + b;
}

/** When it started. */
export function start(): number {
  return nowMs();
}

function noteStart(path: string): number {
  Deno.writeTextFileSync(path, `${nowMs()}\n`, { append: true });
  return Deno.readTextFileSync(path).split("\n").length - 1;
}

/** Notes each start; the first one lasts for ever. */
export async function lasts(path: string): Promise<void> {
  if (noteStart(path) === 1) await new Promise(() => {});
}

/** Notes its start and never ends, nor gives the thread back. */
export function loops(path: string): void {
  noteStart(path);
  for (;;);
}
