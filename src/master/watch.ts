import { relative, sep } from "node:path";

/** Folders whose changes mean nothing. */
const IGNORED = new Set([".mqk", ".git", "node_modules"]);
/** An editor or a checkout changes several files within this time. */
const SETTLE_MS = 200;

/**
 * Calls `changed` after files below `root` have changed, once for changes that
 * come together, until it is disposed. Paths that begin with one of `except`
 * do not count: the files of a queue may lie there.
 */
export function watchFiles(
  root: string,
  changed: () => void,
  except: readonly string[] = [],
): Disposable {
  const watcher = Deno.watchFs(root);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const counts = (path: string) =>
    !except.some((prefix) => path.startsWith(prefix)) &&
    !relative(root, path).split(sep).some((part) => IGNORED.has(part));
  (async () => {
    for await (const event of watcher) {
      if (event.kind === "access" || !event.paths.some(counts)) continue;
      clearTimeout(timer);
      timer = setTimeout(changed, SETTLE_MS);
    }
  })();
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      watcher.close();
    },
  };
}
