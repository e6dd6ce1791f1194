import progress from "npm:cli-progress@3.12.0";

/** A bar that grows to `total`. */
export interface ProgressBar extends Disposable {
  /** Sets how much is done. */
  update(done: number): void;
}

/** A bar on stderr, or nothing where stderr is not a terminal. */
export function progressBar(label: string, total: number): ProgressBar {
  if (!Deno.stderr.isTerminal()) {
    return { update() {}, [Symbol.dispose]() {} };
  }
  const bar = new progress.SingleBar({
    format: `${label} {bar} {percentage}% | {value}/{total} | {eta_formatted}`,
    hideCursor: true,
    clearOnComplete: true,
  }, progress.Presets.shades_classic);
  bar.start(total, 0);
  return {
    update: (done) => bar.update(done),
    [Symbol.dispose]: () => bar.stop(),
  };
}
