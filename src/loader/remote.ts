import type { ImportAccess } from "./access.ts";
import type { ModuleCache } from "./cache.ts";
import { LoadError } from "./load_error.ts";
import { shorten } from "./locate.ts";

/** A module as its server sent it. */
export interface RemoteSource {
  /** Where it is after all redirects. */
  readonly url: string;
  readonly contentType: string;
  readonly text: string;
}

/** One answer of a server, as it is cached. */
type Answer =
  | { readonly redirect: string }
  | { readonly contentType: string; readonly text: string };

/** Shorter than what a module may take to load, so that the reason is told. */
const LIMIT_MS = 20_000;
const MAX_REDIRECTS = 10;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Fetches remote modules and keeps them. What is kept is used without asking
 * the server, until a `mqk run --reload` starts.
 */
export class RemoteModules {
  readonly #access: ImportAccess;
  readonly #cache: ModuleCache;
  readonly #reloadBeforeMs: number;
  readonly #client: Deno.HttpClient | undefined = ownCertificates();

  constructor(
    access: ImportAccess,
    cache: ModuleCache,
    reloadBeforeMs: number = 0,
  ) {
    this.#access = access;
    this.#cache = cache;
    this.#reloadBeforeMs = reloadBeforeMs;
  }

  /**
   * The module at a URL. Each redirect must be allowed as well.
   *
   * @throws {LoadError} If it is not allowed, or can't be had.
   */
  async get(url: string): Promise<RemoteSource> {
    let at = url;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      this.#access.resolve(at);
      const answer = this.#kept(at) ?? await this.#fetch(at);
      if (!("redirect" in answer)) return { url: at, ...answer };
      at = answer.redirect;
    }
    throw failed(url, `it redirects more than ${MAX_REDIRECTS} times`);
  }

  #kept(url: string): Answer | undefined {
    const entry = this.#cache.read("remote", url);
    if (entry === undefined || entry.atMs < this.#reloadBeforeMs) return;
    return JSON.parse(entry.text);
  }

  async #fetch(url: string): Promise<Answer> {
    const answer = await request(url, this.#client);
    this.#cache.write("remote", url, JSON.stringify(answer));
    return answer;
  }
}

/** Those of `DENO_CERT`, at which only the runtime's own loader looks. */
function ownCertificates(): Deno.HttpClient | undefined {
  const file = Deno.env.get("DENO_CERT");
  if (!file) return undefined;
  return Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(file)] });
}

async function request(
  url: string,
  client: Deno.HttpClient | undefined,
): Promise<Answer> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  try {
    const response = await fetch(url, {
      client,
      redirect: "manual",
      signal,
      headers: { accept: "*/*" },
    });
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      return { redirect: new URL(location, url).href };
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw failed(url, `its server answered ${response.status}`);
    }
    return {
      contentType: contentTypeOf(response),
      text: await bodyText(url, response),
    };
  } catch (error) {
    if (error instanceof LoadError) throw error;
    if (signal.aborted) {
      throw failed(url, `its server did not answer in ${LIMIT_MS / 1000} s`);
    }
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? `: ${cause.message}` : "";
    throw failed(url, message + reason, error);
  }
}

/** What a response says it holds, without parameters. */
export function contentTypeOf({ headers }: Response): string {
  return (headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
}

async function bodyText(url: string, response: Response): Promise<string> {
  const chunks: string[] = [];
  let bytes = 0;
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) {
      throw failed(url, `it is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
    }
    chunks.push(decoder.decode(chunk, { stream: true }));
  }
  return chunks.join("") + decoder.decode();
}

function failed(url: string, reason: string, cause?: unknown): LoadError {
  return new LoadError(`Cannot fetch ${shorten(url)}: ${reason}`, { cause });
}
