import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(import.meta.resolve("./producer.ts"));

/** What a producer heard of one job. */
export interface Heard {
  readonly id: string;
  readonly kind: string;
  readonly text: string;
}

/** Programs that send jobs, and all that they said. */
export class Producers implements AsyncDisposable {
  readonly confirmed = new Map<string, string>();
  readonly heard: Heard[] = [];
  /** Jobs that may be stored or not. */
  uncertain = 0;
  readonly #dsn: string;
  readonly #children: Deno.ChildProcess[] = [];
  readonly #readers: Promise<void>[] = [];
  /** Resolved by the first line of each process. */
  readonly #first = new Map<number, PromiseWithResolvers<void>>();
  #seed: number;
  #unfinished = 0;

  /** Starts `count` of them. */
  constructor(dsn: string, seed: number, count: number) {
    this.#dsn = dsn;
    this.#seed = seed;
    for (let i = 0; i < count; i++) this.#children.push(this.#spawn());
  }

  /** Resolves when each has sent a job. */
  async ready(): Promise<void> {
    const heard = this.#children.map(({ pid }) => this.#first.get(pid)!);
    await Promise.all(heard.map(({ promise }) => promise));
  }

  /** Suspends one, and lets it go on later. */
  async block(target: number, forMs: number): Promise<void> {
    const child = this.#children[target % this.#children.length];
    signal(child, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, forMs));
    signal(child, "SIGCONT");
  }

  /** Kills one, and starts another in its place. */
  kill(target: number): void {
    const index = target % this.#children.length;
    signal(this.#children[index], "SIGKILL");
    this.#unfinished--;
    this.#children[index] = this.#spawn();
  }

  /** No more jobs are sent; resolves when all results are known. */
  async stop(): Promise<void> {
    for (const { stdin } of this.#children) await stdin.close();
    await Promise.all(this.#readers);
    if (this.#unfinished > 0) {
      throw new Error(`${this.#unfinished} producers ended early`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) signal(child, "SIGKILL");
    await Promise.allSettled(this.#readers);
    await Promise.all(this.#children.map(({ status }) => status));
    await Promise.allSettled(this.#children.map(({ stdin }) => stdin.close()));
  }

  #spawn(): Deno.ChildProcess {
    const child = new Deno.Command(Deno.execPath(), {
      // deno-fmt-ignore
      args: ["run", "--quiet", "--no-lock", "--allow-all", PROGRAM, this.#dsn, String(this.#seed++)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#unfinished++;
    this.#first.set(child.pid, Promise.withResolvers());
    this.#readers.push(this.#read(child));
    return child;
  }

  async #read(child: Deno.ChildProcess): Promise<void> {
    let rest = "";
    const texts = child.stdout.pipeThrough(new TextDecoderStream());
    for await (const text of texts) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      this.#first.get(child.pid)!.resolve();
      for (const line of lines) this.#hear(line);
    }
  }

  #hear(line: string): void {
    const [what, id, kind, text] = line.split(" ");
    if (what === "confirmed") this.confirmed.set(id, kind);
    else if (what === "uncertain") this.uncertain++;
    else if (what === "finished") this.#unfinished--;
    else this.heard.push({ id, kind, text });
  }
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // It has ended.
  }
}
