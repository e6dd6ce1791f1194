throw new RangeError("no configuration");
export function never(): void {}
