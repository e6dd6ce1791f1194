import type { TempDir } from "./temp_dir.ts";

/** Flags of `unshare` for root, and for others where the kernel lets them. */
const WAYS = [["--mount"], ["--mount", "--map-root-user"]];

/**
 * What `/etc/hosts` is for the processes of a test: names that move, as in the
 * DNS. Only for them: it is mounted in a namespace of their own.
 */
export class OwnHosts {
  readonly #path: string;

  constructor(folder: TempDir) {
    this.#path = folder.write("hosts", "127.0.0.1 localhost\n");
  }

  /**
   * Whether it can be done here. It can't on other systems than Linux, nor in a
   * container whose root may not mount.
   */
  static get possible(): boolean {
    return Deno.build.os === "linux" && way() !== undefined;
  }

  /** What a command of such a process begins with; its number is that of it. */
  get prefix(): string[] {
    return [
      ...["unshare", ...way()!, "sh", "-c"],
      'mount --bind "$0" /etc/hosts && exec "$@"',
      this.#path,
    ];
  }

  /** Lets a name mean this address, from the next look on. */
  set(name: string, address: string): void {
    // In place: what is mounted is this file, not its path.
    Deno.writeTextFileSync(
      this.#path,
      `127.0.0.1 localhost\n${address} ${name}\n`,
    );
  }
}

/** The first way in which a folder can be mounted. */
function way(): string[] | undefined {
  return WAYS.find((flags) => {
    try {
      const { success } = new Deno.Command("unshare", {
        args: [...flags, "mount", "--bind", "/etc/hosts", "/etc/hosts"],
        stderr: "null",
      }).outputSync();
      return success;
    } catch {
      return false;
    }
  });
}
