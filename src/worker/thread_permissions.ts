import type { ThreadOptions } from "../thread/protocol.ts";

/** From these `deno run` imports without a flag. */
const DEFAULT_HOSTS = [
  "cdn.jsdelivr.net:443",
  "deno.land:443",
  "esm.sh:443",
  "gist.githubusercontent.com:443",
  "jsr.io:443",
  "raw.githubusercontent.com:443",
];

/**
 * The permissions of the job thread: it may do what the process may, but
 * import only from hosts that the operator allowed, and from those that Deno
 * itself allows. So what an allowed module redirects to, or imports, obeys the
 * list too.
 */
export function threadPermissions(
  { allowImport, modules }: Pick<ThreadOptions, "allowImport" | "modules">,
): Deno.PermissionOptionsObject {
  const hosts = [...allowImport, ...modules].flatMap(hostOf);
  return {
    env: "inherit",
    ffi: "inherit",
    import: [...DEFAULT_HOSTS, ...hosts],
    net: "inherit",
    read: "inherit",
    run: "inherit",
    sys: "inherit",
    write: "inherit",
  };
}

/** Host and port of a remote URL; nothing for a path. */
function hostOf(text: string): string[] {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return [];
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return [`${url.hostname}:${port}`];
}
