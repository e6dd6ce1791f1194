/** What scripts share: texts that go in front of those that use them. */
export interface Libraries {
  /** Defines `now_ms()`. */
  readonly clock: string;
  /** Defines `open_groups()` and `open_window()`. */
  readonly groups: string;
}

/** A script with what it uses: what it does not use costs time at each call. */
export function scriptText(
  body: string,
  { clock, groups }: Libraries,
): string {
  const text = /\bopen_(groups|window)\(/.test(body) ? groups + body : body;
  return text.includes("now_ms()") ? clock + text : text;
}
