import "./not_there.ts";
export function never(): void {}
