import { decodeMessage } from "./message.ts";

/** How long ago a stored job was sent, in seconds, if its message says so. */
export function ageSeconds(text: string): number | undefined {
  try {
    const { sentMs } = decodeMessage(text);
    if (sentMs !== undefined) return Math.max(0, Date.now() - sentMs) / 1000;
  } catch {
    // It has no age that we can read.
  }
}
