const IMPORT = /import(?![\w$])/g;
const FROM = /from(?=\s*["'/])/g;

/**
 * Spells the words without which nothing can be imported, `import`, and `from`
 * before a name, so that they are no keywords: in strings, patterns and
 * comments they mean the same as before, as do names of properties; where code
 * would import, it does not parse any more. So what a lexer has overlooked in
 * code that wants to be overlooked can't run.
 *
 * {@link https://tc39.es/ecma262/#sec-keywords-and-reserved-words}: no keyword
 * may contain an escape.
 */
export function escapeImports(code: string): string {
  return code.replace(IMPORT, "\\u0069mport").replace(FROM, "\\u0066rom");
}

/** The same for a statement that imports statically, up to its quote. */
export function escapeWithinStatement(statement: string): string {
  const keyword = statement.startsWith("import") ? "import".length : 0;
  return statement.slice(0, keyword) +
    statement.slice(keyword).replace(IMPORT, "\\u0069mport");
}
