import type { Inspector } from "../broker/inspector.ts";
import { sleep } from "../time/sleep.ts";
import { makePage, SORT_KEYS } from "./live_page.ts";
import { type Overview, QueueLooks } from "./queue_looks.ts";
import { type Key, Screen } from "./screen.ts";

/** So many looks the sparkline can show. */
const KEPT_LOOKS = 500;

/** What the live screen is told. */
export interface LiveOptions {
  /** Where the queues are, for the eye. */
  readonly place: string;
  /** Queues to show; left out: all. */
  readonly queues?: readonly string[];
  readonly intervalMs: number;
}

/**
 * Shows queues and workers on the terminal until a key or a signal ends it.
 *
 * @throws {BrokerError} If the first look fails; later ones are tried again.
 */
export async function liveMonitor(
  inspector: Inspector,
  { place, queues, intervalMs }: LiveOptions,
): Promise<void> {
  const looks = new QueueLooks(inspector, queues);
  const live = new Live(place, await looks.look());
  using screen = new Screen(() => live.draw(screen));
  live.draw(screen);
  void hearKeys(screen, live);
  const ended = AbortSignal.any([screen.ended, live.quit]);
  const end = new Promise((resolve) =>
    ended.addEventListener("abort", resolve, { once: true })
  );
  while (!ended.aborted) {
    await sleep(intervalMs, ended);
    if (live.paused) continue;
    const look = looks.look().then(
      (overview) => live.saw(overview),
      (error) => live.failed(error),
    );
    // A store that does not answer must not hold up the end.
    await Promise.race([look, end]);
    live.draw(screen);
  }
}

async function hearKeys(screen: Screen, live: Live): Promise<void> {
  for await (const key of screen.keys()) {
    live.press(key);
    if (live.quit.aborted) return;
    live.draw(screen);
  }
}

/** What the screen shows, and what keys do to it. */
class Live {
  readonly quit: AbortSignal;
  readonly #quitting = new AbortController();
  readonly #out: number[] = [];
  readonly #place: string;
  #overview: Overview;
  #time = new Date();
  #sort = 0;
  #scrolled = 0;
  #paused = false;
  #error: string | undefined;

  constructor(place: string, overview: Overview) {
    this.quit = this.#quitting.signal;
    this.#place = place;
    this.#overview = overview;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** A new look. */
  saw(overview: Overview): void {
    this.#overview = overview;
    this.#time = new Date();
    this.#error = undefined;
    let out = 0;
    for (const { outPerSecond } of overview.queues) out += outPerSecond ?? 0;
    this.#out.push(out);
    if (this.#out.length > KEPT_LOOKS) this.#out.shift();
  }

  /** There is no new look; the last one stays. */
  failed(error: unknown): void {
    this.#error = `Cannot look now: ${(error as Error).message}`;
  }

  press(key: Key): void {
    switch (key) {
      case "q":
      case "ctrl-c":
        return this.#quitting.abort();
      case "p":
        this.#paused = !this.#paused;
        return;
      case "s":
        this.#sort = (this.#sort + 1) % SORT_KEYS.length;
        return;
      case "down":
      case "j":
        this.#scrolled++;
        return;
      case "up":
      case "k":
        this.#scrolled--;
    }
  }

  draw(screen: Screen): void {
    const page = makePage({
      place: this.#place,
      time: this.#time,
      overview: this.#overview,
      outPerSecond: this.#out,
      sort: SORT_KEYS[this.#sort],
      scrolled: this.#scrolled,
      paused: this.#paused,
      error: this.#error,
    }, screen.size);
    this.#scrolled = page.scrolled;
    screen.draw(page.lines);
  }
}
