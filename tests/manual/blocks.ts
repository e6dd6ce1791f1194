/** A fenced block of a Markdown file. */
export interface Block {
  /** The word after the fence, as `sh`. */
  readonly language: string;
  readonly text: string;
  /** Number of its first line, for messages. */
  readonly line: number;
  /** The word in the comment before it that says how it is tested. */
  readonly kind: string;
  /** What the comment says after that: `name` or `name=value`, or free text. */
  readonly note: string;
}

/** Reads `<!-- kind: note -->` before each fence; kind is empty without one. */
export function blocks(markdown: string): Block[] {
  const found: Block[] = [];
  const lines = markdown.split("\n");
  let comment = { kind: "", note: "" };
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(\s*)```(\w*)$/.exec(lines[i]);
    if (fence !== null) {
      const end = lines.indexOf(`${fence[1]}\`\`\``, i + 1);
      const text = lines.slice(i + 1, end).map((line) => line + "\n").join("");
      found.push({ language: fence[2], text, line: i + 1, ...comment });
      i = end;
    }
    const marked = /^<!-- (\w+)(?:: (.*))? -->$/.exec(lines[i]);
    // It stands directly before its block.
    if (marked !== null) comment = { kind: marked[1], note: marked[2] ?? "" };
    else if (lines[i] !== "") comment = { kind: "", note: "" };
  }
  return found;
}

/** The value of `name=value` in a note, `""` for `name` alone. */
export function setting(note: string, name: string): string | undefined {
  for (const word of note.split(" ")) {
    const [key, value = ""] = word.split("=");
    if (key === name) return value;
  }
}

/** Code spans of the prose: what stands in single backticks. */
export function codeSpans(markdown: string): string[] {
  const prose = markdown.replace(/^\s*```[\s\S]*?^\s*```$/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
}
