/** The original URL in a message that names linked modules. */
export function unlinked(
  message: string,
  originals: ReadonlyMap<string, string>,
): string {
  return message.replace(
    /file:\/\/[^\s'"()]*?\/\d+\.js(?::(\d+))?/g,
    (text, line) => {
      const original = originals.get(text.replace(/:\d+$/, ""));
      if (original === undefined) return text;
      // The first line of a linked module is not the user's.
      return line === undefined ? original : `${original}:${line - 1}`;
    },
  );
}
