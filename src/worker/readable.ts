import { basename, dirname, isAbsolute, join, relative, sep } from "node:path";

/** What a sandbox lets job code read without a flag. */
export interface Readable {
  /** Absolute paths: these, and what lies below them. */
  readonly paths: readonly string[];
  /** What is hidden; then `paths` are what was there beside it. */
  readonly hidden?: string;
}

/**
 * The root, or, if the file of the queues lies below it, all that lies beside
 * this file: the runtime knows no exceptions from a folder that may be read.
 */
export function readableBelow(root: string, queueFile?: string): Readable {
  const real = Deno.realPathSync(root);
  const names = queueFile === undefined ? undefined : hiddenWay(
    real,
    join(realFolder(dirname(queueFile)), basename(queueFile)),
  );
  const roots = real === root ? [root] : [root, real];
  if (names === undefined) return { paths: roots };
  const beside = [...besides(real, names)];
  return {
    paths: roots.flatMap((folder) => beside.map((way) => join(folder, way))),
    hidden: join(real, ...names),
  };
}

/** The names from the root to what is hidden; nothing if it lies elsewhere. */
function hiddenWay(root: string, file: string): string[] | undefined {
  const way = relative(root, file);
  if (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way)) return;
  const names = way.split(sep);
  // The folder of the default file holds nothing else.
  const own = names.indexOf(".mqk");
  return own === -1 ? names : names.slice(0, own + 1);
}

/** What lies beside the way to the hidden file, relative to the root. */
function* besides(root: string, names: readonly string[]): Generator<string> {
  for (const [depth, hidden] of names.entries()) {
    const folder = names.slice(0, depth);
    const last = depth === names.length - 1;
    for (const { name } of Deno.readDirSync(join(root, ...folder))) {
      // Beside the file lie others of its name: `-wal`, `-shm`, ...
      const hides = last ? name.startsWith(hidden) : name === hidden;
      if (!hides) yield join(...folder, name);
    }
  }
}

function realFolder(folder: string): string {
  try {
    return Deno.realPathSync(folder);
  } catch {
    return folder;
  }
}
