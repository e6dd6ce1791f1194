/** Jobs by what they return. */

export function nothing(): void {}

export function echo(value: unknown): unknown {
  return value;
}

export function nan(): number {
  return NaN;
}

export function bigInt(): bigint {
  return 1n;
}

export function mapInList(): unknown {
  return { users: [{ tags: new Map([[1, 2]]) }] };
}

export function throwingGetter(): unknown {
  return {
    get total() {
      throw new Error("no total yet");
    },
  };
}

export function large(characters: number): string {
  return "x".repeat(characters);
}

export async function later(value: unknown): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return value;
}

export function thenable(): unknown {
  return { then: (resolve: (value: number) => void) => resolve(7) };
}
