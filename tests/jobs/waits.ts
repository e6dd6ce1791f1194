/** Jobs that take their time. */

let running = 0;
let most = 0;

/** Answers how many of it ran at once, at most, since the module was loaded. */
export async function together(milliseconds: number): Promise<number> {
  most = Math.max(most, ++running);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  running--;
  return most;
}

export async function awaitsNothing(value: number): Promise<number> {
  return await value;
}
