import { join } from "node:path";
import type { TempDir } from "./temp_dir.ts";

/** Paths of two PEM files. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

type Env = Readonly<Record<string, string>>;

/** The name that the certificates of servers have, beside `127.0.0.1`. */
export const SERVER_NAME = "redis.test";

/** An authority of one test, by `openssl`. */
export class Certificates {
  /** Whoever trusts this file trusts what is certified here. */
  readonly ca: string;
  readonly #folder: string;
  readonly #key: string;

  constructor({ path }: TempDir) {
    this.#folder = path;
    this.ca = join(path, "ca.pem");
    this.#key = join(path, "ca.key");
    openssl(
      {},
      ...["req", "-x509", ...NEW_KEY, "-keyout", this.#key, "-out", this.ca],
      ...["-days", "2", "-subj", "/CN=authority of a test"],
    );
  }

  /**
   * Certifies a new key.
   *
   * @param env Variables for `openssl`: it may go by another clock.
   */
  issue(name: string, days = 2, env: Env = {}): Certified {
    const file = (extension: string) =>
      join(this.#folder, `${name}.${extension}`);
    const [cert, key, request] = ["pem", "key", "csr"].map(file);
    openssl(
      {},
      ...["req", ...NEW_KEY, "-keyout", key, "-out", request],
      ...["-subj", `/CN=${SERVER_NAME}`, "-addext"],
      `subjectAltName=DNS:${SERVER_NAME},IP:127.0.0.1`,
    );
    openssl(
      env,
      ...["x509", "-req", "-in", request, "-CA", this.ca, "-CAkey", this.#key],
      ...["-copy_extensions", "copy", "-days", String(days), "-out", cert],
    );
    return { cert, key };
  }
}

const NEW_KEY = [
  ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
];

function openssl(env: Env, ...args: string[]): void {
  const { success, stderr } = new Deno.Command("openssl", { args, env })
    .outputSync();
  if (success) return;
  throw new Error(`openssl failed: ${new TextDecoder().decode(stderr)}`);
}
