/**
 * Times as people write them: `15m`, `2.5s`, `12µs`.
 *
 * @module
 */
import { InvalidArgumentError } from "npm:commander@15.1.0";

const UNITS: readonly (readonly [unit: string, milliseconds: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

/** A duration with two or three digits; nothing if there is none. */
export function printDuration(
  milliseconds: number | undefined,
): string | undefined {
  if (milliseconds === undefined) return undefined;
  const [unit, size] = UNITS.find(([, size]) => milliseconds >= size) ??
    ["µs", 0.001];
  const value = milliseconds / size;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)}${unit}`;
}

/**
 * Reads a moment: `90s`, `15m`, `2h` or `7d` ago, or a date as
 * `2017-07-11` or `2017-07-11T08:30`. In milliseconds since 1970.
 */
export function moment(text: string): number {
  const [, number, unit] = /^([0-9]*\.?[0-9]+)(s|m|h|d)$/.exec(text) ?? [];
  if (number !== undefined) {
    const size = UNITS.find(([name]) => name === unit)![1];
    return Date.now() - Number(number) * size;
  }
  const atMs = /^[0-9]{4}-/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(atMs)) {
    throw new InvalidArgumentError(
      "It must be a time before now as 90s, 15m, 2h or 7d, or a date.",
    );
  }
  return atMs;
}
