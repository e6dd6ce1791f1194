import { hostname } from "node:os";

/** A name that was never used before: names tell leases apart. */
export function workerName(): string {
  const host = hostname().replace(/[^A-Za-z0-9-]/g, "-").slice(0, 30);
  return `${host}-${Deno.pid}-${randomHex(6)}`;
}

/** Random bytes as text. */
export function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
