import { makeOnce, MEMORY } from "./schema.ts";

/** Every so often is looked without a reason. */
const POLL_MS = 1000;
/** After an event is looked a second time. */
const AGAIN_MS = 10;
/** How often is looked if files can't be watched here. */
const POLL_ONLY_MS = 20;
/** A watcher that nobody needs any more is kept for so long. */
const LINGER_MS = 1000;
/** Other processes are told at most so often. */
const TELL_EVERY_MS = 2;

/** A watcher, with what Deno has but does not declare. */
type Watcher = Deno.FsWatcher & AsyncIterator<Deno.FsEvent> & {
  unref?(): void;
};

/**
 * Tells processes that something was committed. A byte is written to a file
 * beside the database after the commit; an event of the database's own files
 * comes before it, and would be looked at too early. Listening keeps no program
 * alive.
 */
export class WakeUp implements Disposable {
  readonly #path: string | undefined;
  readonly #file: Deno.FsFile | undefined;
  readonly #listeners = new Set<() => void>();
  #watcher: Watcher | undefined;
  #poll: ReturnType<typeof setInterval> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #toldMs = -Infinity;

  /** @param database Its path; what is in memory no other process waits for. */
  constructor(database: string) {
    if (database === MEMORY) return;
    this.#path = `${database}-wake`;
    makeOnce(this.#path, "");
    this.#file = Deno.openSync(this.#path, { write: true });
  }

  /** Something was committed: for listeners here at once, elsewhere soon. */
  give(): void {
    queueMicrotask(() => this.#look());
    if (this.#file === undefined || this.#telling !== undefined) return;
    const waitMs = this.#toldMs + TELL_EVERY_MS - performance.now();
    if (waitMs <= 0) this.#tell();
    else this.#telling = setTimeout(() => this.#tell(), waitMs);
  }

  /**
   * Calls `look` whenever something may have been committed after this call,
   * and often when nothing was, until it is disposed. It must not throw.
   */
  listen(look: () => void): Disposable {
    const listener = () => look();
    this.#listeners.add(listener);
    this.#start();
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) this.#stopSoon();
      },
    };
  }

  [Symbol.dispose](): void {
    if (this.#telling !== undefined) this.#tell();
    this.#listeners.clear();
    this.#stop();
    this.#file?.close();
  }

  #tell(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    this.#toldMs = performance.now();
    try {
      this.#file?.seekSync(0, Deno.SeekMode.Start);
      this.#file?.writeSync(BYTE);
    } catch {
      // A full disk: those who wait look once a second.
    }
  }

  #look(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #start(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (this.#poll !== undefined) return;
    const watched = this.#watch();
    this.#poll = setInterval(
      () => this.#look(),
      watched ? POLL_MS : POLL_ONLY_MS,
    );
    Deno.unrefTimer(this.#poll);
  }

  #stopSoon(): void {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.#stop(), LINGER_MS);
    Deno.unrefTimer(this.#linger);
  }

  #stop(): void {
    clearTimeout(this.#linger);
    clearTimeout(this.#again);
    clearInterval(this.#poll);
    this.#linger = this.#again = this.#poll = undefined;
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** `false`: it can't be watched, or would keep the program alive. */
  #watch(): boolean {
    // In memory, `give` tells all who listen.
    if (this.#path === undefined) return true;
    try {
      const watcher = Deno.watchFs(this.#path) as Watcher;
      if (watcher.unref === undefined) {
        watcher.close();
        return false;
      }
      this.#watcher = watcher;
      void this.#follow(watcher);
      return true;
    } catch {
      return false;
    }
  }

  async #follow(watcher: Watcher): Promise<void> {
    for (;;) {
      const event = watcher.next();
      watcher.unref?.();
      if ((await event).done || this.#watcher !== watcher) return;
      this.#look();
      if (this.#again !== undefined) continue;
      this.#again = setTimeout(() => {
        this.#again = undefined;
        this.#look();
      }, AGAIN_MS);
      Deno.unrefTimer(this.#again);
    }
  }
}

const BYTE = new Uint8Array([49]);
