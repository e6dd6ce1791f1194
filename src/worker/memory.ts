const LOOK_EVERY_MS = 100;
/** The runtime itself grows by so much while jobs run. */
const OWN_GROWTH_BYTES = 64e6;

/**
 * Calls `over` once when this process has grown by more than its jobs may use,
 * until it is disposed. The runtime's own limit counts objects only, not the
 * bytes of typed arrays, and can't be set in every program.
 */
export function watchMemory(limitMb: number, over: () => void): Disposable {
  const limit = Deno.memoryUsage().rss + limitMb * 1e6 + OWN_GROWTH_BYTES;
  const timer = setInterval(() => {
    if (Deno.memoryUsage().rss <= limit) return;
    clearInterval(timer);
    over();
  }, LOOK_EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
