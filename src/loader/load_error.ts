/**
 * A reference could not be turned into a function: its module is not allowed,
 * is not there, does not load, or does not export it. The message is one line
 * that says what is required.
 */
export class LoadError extends Error {
  override name = "LoadError";
}

/** The compiled program can't load the native part of a package. */
export function nativePackage(path: string): LoadError {
  return new LoadError(
    `Cannot load ${path}: native packages do not run in this program; ` +
      "use a package in JavaScript or WebAssembly, or deno run",
  );
}
