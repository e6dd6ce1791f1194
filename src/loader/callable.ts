import type { Namespace } from "./load.ts";
import { LoadError } from "./load_error.ts";
import { shorten } from "./locate.ts";

/** A function that a job calls. */
export interface JobFunction {
  readonly call: (...args: unknown[]) => unknown;
  /** Its `this`: the class of a static method. */
  readonly self: unknown;
}

/**
 * The function that a reference means in a loaded module: an export (the
 * default one, if `path` is empty), or a static method of one. Only own
 * members count, and no getter runs.
 *
 * @throws {LoadError} Saying why there is none, and what there is.
 */
export function findCallable(
  exports: Namespace,
  path: readonly string[],
  module: string,
): JobFunction {
  const [name = "default", member] = path;
  if (!Object.hasOwn(exports, name)) {
    throw new LoadError(
      `Cannot call ${label(path, module)}: the module exports ${
        listed(Object.keys(exports))
      }`,
    );
  }
  const exported = exports[name];
  return member === undefined
    ? callable(exported, undefined, path, module)
    : findMember(exported, member, path, module);
}

function findMember(
  container: unknown,
  member: string,
  path: readonly string[],
  module: string,
): JobFunction {
  if (!isObject(container)) {
    throw new LoadError(
      `Cannot call ${label(path, module)}: ${path[0]} is no class or object`,
    );
  }
  const property = Object.getOwnPropertyDescriptor(container, member);
  if (property !== undefined) {
    return callable(property.value, container, path, module);
  }
  const prototype = (container as { prototype?: unknown }).prototype;
  if (isObject(prototype) && member in prototype) {
    throw new LoadError(
      `Cannot call ${label(path, module)}: it is an instance method; ` +
        "a job has no instance, so make it static",
    );
  }
  const own = Object.getOwnPropertyNames(container).filter((key) =>
    typeof Object.getOwnPropertyDescriptor(container, key)!.value ===
      "function"
  );
  throw new LoadError(
    `Cannot call ${label(path, module)}: ${path[0]} itself has ${listed(own)}`,
  );
}

function callable(
  value: unknown,
  self: unknown,
  path: readonly string[],
  module: string,
): JobFunction {
  if (typeof value !== "function") {
    throw new LoadError(
      `Cannot call ${label(path, module)}: it must be a function, ` +
        `it is ${value === null ? "null" : typeof value}`,
    );
  }
  if (/^class\b/.test(Function.prototype.toString.call(value))) {
    throw new LoadError(
      `Cannot call ${label(path, module)}: it is a class; ` +
        "name a static method of it, as in Calculator.sum",
    );
  }
  return { call: value as JobFunction["call"], self };
}

function isObject(value: unknown): value is object {
  return typeof value === "function" ||
    (typeof value === "object" && value !== null);
}

function label(path: readonly string[], module: string): string {
  const name = path.length === 0 ? "the default export" : path.join(".");
  return `${name} of ${shorten(module)}`;
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return "nothing that can be called";
  const more = names.length > 20 ? `, and ${names.length - 20} more` : "";
  return names.slice(0, 20).join(", ") + more;
}
