/** Jobs are exported functions, or static methods of an exported class. */

/** Adds two numbers. */
export function sum(a: number, b: number): number {
  return a + b;
}

/** The same as a class. */
export class Calculator {
  /** Multiplies two numbers. */
  static product(a: number, b: number): number {
    return a * b;
  }
}
