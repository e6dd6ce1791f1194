/** A job that needs something which may be missing: for failures and replay. */

/** Reads a price from a file that somebody else has to write. */
export async function readPrice(path: string): Promise<number> {
  return Number(await Deno.readTextFile(path));
}
