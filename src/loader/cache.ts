import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createHash, randomUUID } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { LoadError } from "./load_error.ts";

const DAY_MS = 86_400_000;
/** What nobody has read for so long is removed. */
const MAX_AGE_MS = 30 * DAY_MS;
const MAX_BYTES = 512 * 1024 * 1024;
/** What a process that was killed has left behind. */
const MAX_RUN_AGE_MS = 3_600_000;
const CLEAN_EVERY_MS = 3_600_000;

/**
 * A folder of texts that all workers of a user share. An entry is written
 * whole under another name and then renamed, so a reader sees all of it or
 * nothing; one that is damaged counts as missing.
 */
export class ModuleCache {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The entry of a key, with the time it was written; nothing if there is none. */
  read(
    kind: "code" | "remote",
    key: string,
  ): { text: string; atMs: number } | undefined {
    const path = this.#path(kind, key);
    let stored: string;
    let atMs: number;
    try {
      stored = readFileSync(path, "utf8");
      const { mtimeMs, atimeMs } = statSync(path);
      atMs = mtimeMs;
      const now = Date.now();
      if (now - atimeMs > DAY_MS) utimesSync(path, now / 1000, mtimeMs / 1000);
    } catch {
      return undefined;
    }
    const text = stored.slice(stored.indexOf("\n") + 1);
    return stored.startsWith(`${hash(text)}\n`) ? { text, atMs } : undefined;
  }

  /**
   * Stores an entry.
   *
   * @throws {LoadError} If the folder can't be written.
   */
  write(kind: "code" | "remote", key: string, text: string): void {
    const path = this.#path(kind, key);
    const draft = `${path}.${randomUUID()}`;
    try {
      writeFile(draft, `${hash(text)}\n${text}`);
      renameSync(draft, path);
    } catch (error) {
      try {
        rmSync(draft, { force: true });
      } catch {
        // It was never there.
      }
      throw unwritable(this.folder, error);
    }
  }

  /** Removes what nobody needs any more: at most once an hour, by one process. */
  clean(now: number = Date.now()): void {
    try {
      if (!this.#isDue(now)) return;
      removeLeft(join(this.folder, "run"), now - MAX_RUN_AGE_MS);
      for (const kind of ["code", "remote"]) {
        removeUnread(join(this.folder, kind), now);
      }
    } catch {
      // Another process does the same, or the folder can't be written.
    }
  }

  #isDue(now: number): boolean {
    const marker = join(this.folder, "cleaned");
    const last = statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (now - last < CLEAN_EVERY_MS) return false;
    writeFile(marker, "");
    return true;
  }

  #path(kind: string, key: string): string {
    return join(this.folder, kind, hash(key));
  }
}

/** The file that holds nothing but the text; its folder is made if missing. */
export function writeFile(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 });
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    writeFileSync(path, text, { mode: 0o600 });
  }
}

/** The error for a cache folder that can't be used. */
export function unwritable(folder: string, error: unknown): LoadError {
  return new LoadError(
    `Cannot write to the cache folder ${folder}: ` +
      `${(error as Error).message}; MQK_CACHE_DIR names another one`,
    { cause: error },
  );
}

/** A name for a text that no other text has. */
export function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * Removes the folders of processes that are gone. Theirs may be a number of
 * another machine that shares the folder; so a new one stays in any case.
 */
function removeLeft(folder: string, beforeMs: number): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = statSync(path);
    if (mtimeMs < beforeMs && !isAlive(parseInt(name))) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** Removes the entries that were read longest ago. */
function removeUnread(folder: string, now: number): void {
  const entries = namesIn(folder).map((name) => {
    const path = join(folder, name);
    const { atimeMs, mtimeMs, size } = statSync(path);
    return { path, readMs: Math.max(atimeMs, mtimeMs), size };
  }).sort((a, b) => b.readMs - a.readMs);
  let bytes = 0;
  for (const { path, readMs, size } of entries) {
    bytes += size;
    if (bytes > MAX_BYTES || now - readMs > MAX_AGE_MS) {
      rmSync(path, { force: true });
    }
  }
}

/** A folder is made by the first who writes there. */
function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
