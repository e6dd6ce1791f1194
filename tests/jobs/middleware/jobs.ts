/** Jobs that run within middleware. */
import { marks } from "./marks.ts";

export function now(): readonly string[] {
  return [...marks()];
}

export async function later(): Promise<readonly string[]> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return [...marks()];
}

export async function* streams(
  fails: boolean,
): AsyncGenerator<string, string[]> {
  yield marks().join(" ");
  await new Promise((resolve) => setTimeout(resolve, 1));
  if (fails) throw new TypeError("no");
  return [...marks()];
}

export function seen(_a: number): void {}

export function fails(_wish?: string): void {
  throw new TypeError("no");
}

let count = 0;

export function counts(_wish?: string): number {
  return ++count;
}
