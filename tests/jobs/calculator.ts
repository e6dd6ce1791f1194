export function sum(a: number, b: number): number {
  return a + b;
}

export class Calculator {
  static factor = 1;

  static add(a: number, b: number): number {
    return (a + b) * this.factor;
  }

  multiply(a: number, b: number): number {
    return a * b;
  }
}

export const version = 1;

export default function negate(a: number): number {
  return -a;
}
