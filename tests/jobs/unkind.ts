/** Jobs that do what would hurt their neighbours. */
import { createRequire } from "node:module";
import process, { chdir as nodeChdir, exit } from "node:process";

export function denoExit(): void {
  Deno.exit(3);
}

export function processExit(): void {
  process.exit(3);
}

export function importedExit(): void {
  exit(3);
}

export function close(): void {
  (globalThis as unknown as { close(): void }).close();
}

export function chdir(): void {
  Deno.chdir("/");
}

export function importedChdir(): void {
  nodeChdir("/");
}

export function requiredChdir(): void {
  createRequire(import.meta.url)("node:process").chdir("/");
}

export function readsStandardInput(): boolean {
  return Deno.stdin.readSync(new Uint8Array(1)) === null &&
    prompt("name?") === null;
}

/** Everything through which it could speak for its thread. */
export function takesOver(): string {
  const global = globalThis as unknown as Record<string, unknown>;
  (global.postMessage as (message: unknown) => void)({ kind: "fatal" });
  global.postMessage = undefined;
  global.onmessage = () => {};
  return "done";
}

export function blocks(milliseconds: number): string {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  return "done";
}
