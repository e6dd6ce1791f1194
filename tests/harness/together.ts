/**
 * Like `Promise.all`, but waits for all to end even if one fails, so that each
 * has put away its processes before the test is over.
 */
export async function together<T>(parts: Iterable<Promise<T>>): Promise<T[]> {
  const all = [...parts];
  await Promise.allSettled(all);
  return await Promise.all(all);
}
