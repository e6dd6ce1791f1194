/**
 * Arguments and results as JSON, and what JSON would lose or change of them.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";

/** Deeper values would overflow the stack of some reader. */
const MAX_DEPTH = 2000;
const MAX_PATH_LENGTH = 200;

/**
 * The JSON text of a list of arguments.
 *
 * A property that is `undefined` is dropped, and -0 becomes 0, as in every
 * JSON; what else JSON would lose or change is refused.
 *
 * @throws {ArgumentError} Naming the path and what would become of it.
 */
export function encodeArguments(args: readonly unknown[]): string {
  let text = "[";
  for (let i = 0; i < args.length; i++) {
    if (i > 0) text += ",";
    text += encodeArgument(args[i], i);
  }
  return text + "]";
}

function encodeArgument(value: unknown, index: number): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return `${value}`;
  if (value === null || typeof value === "boolean") return `${value}`;
  const path = `args[${index}]`;
  const loss = whatJsonLoses(value, path);
  if (loss !== undefined) throw new ArgumentError(`Cannot send ${loss}`);
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw new ArgumentError(`Cannot send ${unreadable(path, error)}`, {
      cause: error,
    });
  }
}

/**
 * The first thing in `value` that JSON would lose or change, as a sentence
 * that begins with its path: `args[1].when: a Date becomes a string in JSON`.
 * `path` is that of `value`. Never throws.
 */
export function whatJsonLoses(
  value: unknown,
  path: string,
): string | undefined {
  try {
    const loss = lossIn(value, []);
    return loss === undefined ? undefined : shorten(path + loss);
  } catch (error) {
    return unreadable(path, error);
  }
}

/** The rest of the path, and what is lost there. */
function lossIn(value: unknown, above: object[]): string | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value)
        ? undefined
        : `: ${value} becomes null in JSON`;
    case "object":
      return value === null ? undefined : lossInObject(value, above);
    case "undefined":
      return ": undefined becomes null in JSON";
    default:
      return `: JSON has no ${typeof value}`;
  }
}

function lossInObject(value: object, above: object[]): string | undefined {
  if (above.includes(value)) {
    return ": it contains itself, which JSON can't hold";
  }
  if (above.length === MAX_DEPTH) {
    return `: it is nested more than ${MAX_DEPTH} levels deep`;
  }
  const kind = lossOfKind(value);
  if (kind !== undefined) return kind;
  above.push(value);
  const loss = Array.isArray(value)
    ? lossInList(value, above)
    : lossInProperties(value as Record<string, unknown>, above);
  above.pop();
  return loss;
}

/** What is lost because of what it is, whatever it holds. */
function lossOfKind(value: object): string | undefined {
  if (!isPlain(value)) {
    const name = className(value);
    const article = /^(?!Uint)[AEIOU]/.test(name) ? "an" : "a";
    return `: ${article} ${name} becomes ${replacement(name)} in JSON`;
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
    return ": its toJSON method would replace it in JSON";
  }
  const [symbol] = Object.getOwnPropertySymbols(value);
  return symbol === undefined
    ? undefined
    : `[${String(symbol)}]: JSON drops symbol keys`;
}

function lossInList(list: unknown[], above: object[]): string | undefined {
  for (let i = 0; i < list.length; i++) {
    const loss = lossIn(list[i], above);
    if (loss !== undefined) {
      return i in list
        ? `[${i}]${loss}`
        : `[${i}]: a hole becomes null in JSON`;
    }
  }
  // A list has its indices as keys, before all others.
  const keys = Object.keys(list);
  return keys.length === list.length
    ? undefined
    : `${step(keys[list.length])}: JSON drops properties of a list`;
}

function lossInProperties(
  object: Record<string, unknown>,
  above: object[],
): string | undefined {
  for (const key of Object.keys(object)) {
    let value: unknown;
    try {
      value = object[key];
    } catch (error) {
      return unreadable(step(key), error);
    }
    if (value === undefined) continue;
    const loss = lossIn(value, above);
    if (loss !== undefined) return step(key) + loss;
  }
}

/** A list or an object literal, of this realm or of another one. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    return prototype === Array.prototype || ownName(prototype) === "Array";
  }
  return prototype === null || prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null &&
      ownName(prototype) === "Object");
}

/** What JSON makes of an instance of a class. */
function replacement(name: string): string {
  if (/^(Date|URL)$/.test(name)) return "a string";
  if (/^(Number|String|Boolean)$/.test(name)) return "a bare value";
  return "a plain object";
}

function className(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === "function" && constructor.name !== ""
    ? constructor.name
    : "class instance";
}

function ownName(prototype: object | null): string | undefined {
  const constructor = prototype === null
    ? undefined
    : Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof constructor === "function" ? constructor.name : undefined;
}

function step(key: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key)
    ? `.${key}`
    : `[${JSON.stringify(key)}]`;
}

function unreadable(path: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : typeof error;
  return `${path}: it can't be read: ${reason}`;
}

/** Cuts the middle of the path out, if it is long. */
function shorten(loss: string): string {
  const end = loss.indexOf(": ");
  if (end <= MAX_PATH_LENGTH) return loss;
  const half = MAX_PATH_LENGTH / 2;
  return `${loss.slice(0, half)} ... ${loss.slice(end - half)}`;
}
