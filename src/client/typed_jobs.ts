/**
 * The functions of a job module as functions that send jobs, typed by the
 * module itself.
 *
 * @module
 */
import type { JobPolicy, JobSpec } from "../job/policy.ts";
import type { Job } from "./job.ts";

/** A function that can be a job. */
export type JobFunction = (...args: never[]) => unknown;

/** A job of which nothing is known: any arguments, any result. */
export type AnyJob = (...args: unknown[]) => unknown;

/**
 * What a job of the function `F` results in: what it returns, awaited; of a
 * generator what it returns after the last yield.
 */
export type JobResult<F extends JobFunction> = Awaited<ReturnType<F>> extends
  infer R ? R extends
    | AsyncGenerator<unknown, infer T, never>
    | Generator<unknown, infer T, never> ? Awaited<T>
  : R extends AsyncIterable<unknown> ? undefined
  : R
  : never;

/** What a job of the function `F` yields, if it is a generator; else unknown. */
export type JobYield<F extends JobFunction> = Awaited<ReturnType<F>> extends
  infer R
  ? R extends Generator<infer Y, unknown, never> | AsyncIterable<infer Y>
    ? Awaited<Y>
  : unknown
  : never;

/** What sending the function `F` gives: a job with its result and updates. */
export type JobOf<F extends JobFunction> = Job<JobResult<F>, JobYield<F>>;

/** The function `F` as one that sends a job. */
export type SendingFunction<F extends JobFunction> = (
  ...args: Parameters<F>
) => Promise<JobOf<F>>;

/**
 * The static methods of the class `C` as functions that send jobs, except
 * those with a name that any function has, or that would make a promise of it.
 */
export type StaticJobs<C> = {
  readonly [
    Name in keyof C as Name extends
      keyof CallableFunction | "prototype" | "name" | "then" ? never
      : C[Name] extends JobFunction ? Name
      : never
  ]: C[Name] extends JobFunction ? SendingFunction<C[Name]> : never;
};

/**
 * The functions and classes that the module `M` exports, as functions that
 * send jobs. What else it exports is left out.
 */
export type ModuleJobs<M> = {
  readonly [
    Name in keyof M as Name extends "then" ? never
      : M[Name] extends JobFunction ? Name
      : keyof StaticJobs<M[Name]> extends never ? never
      : M[Name] extends { prototype: unknown } ? Name
      : never
  ]: M[Name] extends JobFunction ? SendingFunction<M[Name]>
    : StaticJobs<M[Name]>;
};

/** Sends one job. */
type Invoke = (spec: JobSpec, ...args: unknown[]) => Promise<Job>;

/** What every function has, and what `await` asks for. */
const RESERVED = new Set([
  "apply",
  "arguments",
  "bind",
  "call",
  "caller",
  "length",
  "name",
  "prototype",
  "then",
  "toString",
]);

/**
 * Makes a function of each name that is asked for. Which names there are is
 * known to the compiler only.
 */
export function moduleJobs<M>(
  module: string,
  policy: JobPolicy,
  invoke: Invoke,
): ModuleJobs<M> {
  const send = (path: string) => {
    const spec = { ...policy, job: `${module}#${path}` };
    return (...args: unknown[]) => invoke(spec, ...args);
  };
  const makeExport = (name: string) =>
    // `x.ts#` is the default export, also where a bare `x.ts` were a name.
    lazyProperties(send(name === "default" ? "" : name), {
      isLazy: (member) => !RESERVED.has(member),
      make: (member) => send(`${name}.${member}`),
    });
  return lazyProperties(Object.create(null), {
    isLazy: (name) => name !== "then",
    make: makeExport,
  });
}

/** `target` with properties that are made when they are asked for. */
function lazyProperties<T extends object>(
  target: T,
  { isLazy, make }: {
    readonly isLazy: (name: string) => boolean;
    readonly make: (name: string) => unknown;
  },
): T {
  const made = new Map<string, unknown>();
  return new Proxy(target, {
    get(target, name, receiver) {
      if (typeof name === "symbol" || !isLazy(name)) {
        return Reflect.get(target, name, receiver);
      }
      if (!made.has(name)) made.set(name, make(name));
      return made.get(name);
    },
  });
}
