/**
 * Reads JSON with comments and trailing commas, as `deno.json(c)` may have.
 *
 * @throws {SyntaxError} If it is not that.
 */
export function parseJsonc(text: string): unknown {
  // Strings first, so that what looks like a comment inside one stays.
  const plain = text.replace(/^\uFEFF/, "").replace(
    /"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[^]*?\*\/|,(?=\s*(?:\/\/[^\n]*\s*|\/\*[^]*?\*\/\s*)*[\]}])/g,
    (token) => token.startsWith('"') ? token : "",
  );
  return JSON.parse(plain);
}
