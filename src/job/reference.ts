import { ArgumentError } from "../errors.ts";

/** Which function a job calls. */
export interface Reference {
  /** Path, URL or `mqk:` name; `null` means: look in the modules of `mqk run`. */
  readonly module: string | null;
  /** Export, then static member if named; empty means the default export. */
  readonly path: readonly string[];
}

const MODULE_LIKE =
  /^(\.{1,2}\/|\/|[A-Za-z][A-Za-z0-9+.-]*:(?!:)|[A-Za-z]:[\\/])/;
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;
const FORBIDDEN = new Set(["prototype", "__proto__", "constructor"]);

/**
 * Reads `<module>#<export>`, `<module>` (its default export), or a bare name
 * (`sum`, `Calculator.sum`, `Calculator::sum`).
 *
 * @throws {ArgumentError} If it is neither.
 */
export function parseReference(text: string): Reference {
  if (typeof text !== "string" || text.trim() === "") {
    throw new ArgumentError(
      "Cannot read an empty reference: it must be <module>#<export>",
    );
  }
  const hash = text.lastIndexOf("#");
  if (hash === -1) {
    return MODULE_LIKE.test(text)
      ? { module: text, path: [] }
      : { module: null, path: parsePath(text, text) };
  }
  const module = text.slice(0, hash);
  if (module === "") {
    throw new ArgumentError(
      `Cannot read reference "${text}": the module before # is missing`,
    );
  }
  const exportName = text.slice(hash + 1);
  return {
    module: MODULE_LIKE.test(module) ? module : `./${module}`,
    path: exportName === "" ? [] : parsePath(exportName, text),
  };
}

/** Prints what {@linkcode parseReference} reads. */
export function printReference({ module, path }: Reference): string {
  const name = path.join(".");
  if (module === null) return name;
  return name === "" ? module : `${module}#${name}`;
}

function parsePath(name: string, text: string): string[] {
  const path = name.replace("::", ".").split(".");
  if (path.length > 2) {
    throw new ArgumentError(
      `Cannot read reference "${text}": an export has at most two levels, ` +
        `as in Calculator.sum; got ${path.length}`,
    );
  }
  for (const part of path) {
    if (!IDENTIFIER.test(part) || FORBIDDEN.has(part)) {
      throw new ArgumentError(
        `Cannot read reference "${text}": "${part}" is not the name of an ` +
          "export; required is <module>#<export>",
      );
    }
  }
  return path;
}
