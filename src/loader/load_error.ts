/**
 * A reference could not be turned into a function: its module is not allowed,
 * is not there, does not load, or does not export it. The message is one line
 * that says what is required.
 */
export class LoadError extends Error {
  override name = "LoadError";
}
