/** Thrown when a deadline passes; nothing is known of what it was set for. */
export class DeadlineError extends Error {
  override name = "DeadlineError";
}

/**
 * Waits for `promise`, at most `milliseconds`. The callee need not know: it
 * goes on, and what it ends with later is ignored.
 *
 * @throws {DeadlineError} If the time is up first.
 */
export async function deadline<T>(
  promise: Promise<T>,
  milliseconds: number,
  what: string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(new DeadlineError(`${what}: no answer in ${milliseconds} ms`)),
      milliseconds,
    );
  });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
