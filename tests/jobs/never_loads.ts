await new Promise(() => {});
export function never(): void {}
