/** Each of the tokens once, in the order of their reservation. */
export function inOrder(tokens: readonly string[]): string[] {
  return [...new Set(tokens)]
    .map((token) => {
      const [batch, index] = token.split(":", 2);
      return { token, batch: Number(batch), index: Number(index) };
    })
    .sort((a, b) => a.batch - b.batch || a.index - b.index)
    .map(({ token }) => token);
}
