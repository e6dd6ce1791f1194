/**
 * Calls `check` until it neither throws nor answers `false`, at most
 * `withinMs`; then throws what it threw last.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  withinMs = 10_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    let last: unknown = new Error(`not true within ${withinMs} ms: ${check}`);
    try {
      const value = await check();
      if (value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw last;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
