/**
 * The jobs of the soak: what they do, and how each kind must end.
 *
 * @module
 */

/** What a kind of job does and how it must end. */
export interface JobKind {
  /** How often producers send it, against the other kinds. */
  readonly weight: number;
  readonly retries: number;
  readonly ttl?: number;
  /** It must end in the failed set with such an error; else it must be done. */
  readonly fails?: RegExp;
  /** It takes its worker with it. */
  readonly kills?: true;
}

/**
 * Innocents may be charged when a worker is killed while they run alone in it;
 * it must not happen so often that they fail.
 */
const PATIENT = 40;

/** All kinds. Those of weight 0 come as faults. */
export const KINDS = {
  quick: { weight: 55, retries: PATIENT },
  short: { weight: 35, retries: PATIENT },
  medium: { weight: 1, retries: PATIENT },
  flaky: { weight: 5, retries: PATIENT },
  failing: { weight: 3, retries: 1, fails: /this one always fails/ },
  exits: { weight: 0, retries: 0, fails: /exit/ },
  floats: { weight: 0, retries: 0, fails: /nobody waits for this/ },
  deaf: { weight: 0, retries: 0, ttl: 1, fails: /ttl of 1 s/ },
  loops: {
    weight: 0,
    retries: 0,
    ttl: 1,
    fails: /ttl of 1 s/,
    kills: true,
  },
  eats: { weight: 0, retries: 0, fails: /worker died/, kills: true },
} as const satisfies Record<string, JobKind>;

/** Name of a kind, which is the name of its function. */
export type KindName = keyof typeof KINDS;

/** The facts of a kind. */
export function kindOf(name: string): JobKind {
  return KINDS[name as KindName];
}

/** The module that workers load; its first lines come from the site. */
export const JOBS_SOURCE = `
function record(what: string, kind: string): void {
  const { id, attempt } = currentJob();
  const line = [what, id, attempt, Deno.pid, kind].join(" ") + "\\n";
  file.writeSync(new TextEncoder().encode(line));
}
function job(kind: string, body: () => unknown) {
  return async () => {
    record("start", kind);
    await body();
    record("end", kind);
    return currentJob().id;
  };
}
export const quick = job("quick", () => {});
export const short = job("short", () => sleep(5 + 95 * Math.random()));
export const medium = job("medium", () => sleep(500 + 1500 * Math.random()));
export const flaky = job("flaky", () => {
  if (currentJob().attempt === 1) throw new Error("the first attempt fails");
});
export const failing = job("failing", () => {
  throw new Error("this one always fails");
});
export const exits = job("exits", () => Deno.exit(7));
export const floats = job("floats", () => {
  void Promise.reject(new Error("nobody waits for this"));
  return sleep(200);
});
export const deaf = job("deaf", () => new Promise(() => {}));
export const loops = job("loops", () => { for (;;); });
export const eats = job("eats", () => {
  const eaten: unknown[] = [];
  for (;;) eaten.push(new Array(100_000).fill(eaten.length));
});
`;
