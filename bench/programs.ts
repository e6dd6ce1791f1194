/**
 * Starts the programs that are measured, each in a process of its own. What is
 * not ours is installed into a temporary folder, from Deno's npm cache.
 *
 * @module
 */
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TempDir } from "../tests/harness/temp_dir.ts";
import type {
  DrainAnswer,
  DrainOrder,
  EnqueueAnswer,
  EnqueueOrder,
  Order,
  RoundTripsAnswer,
  RoundTripsOrder,
  ServeOrder,
} from "./subjects/protocol.ts";

/** Who is measured: MQK, the limit of the store, and two peers. */
export type SubjectName = "mqk" | "limit" | "bullmq" | "beeQueue";

/** The peers and what they need, in exact versions. */
export const PACKAGES = {
  "bullmq": "6.7.0",
  "ioredis": "6.0.0",
  "bee-queue": "2.0.0",
} as const;

/** A native part of BullMQ that not every registry has in its last version. */
const OVERRIDES = { "msgpackr-extract": "3.0.3" };

const FILES: Record<SubjectName, string> = {
  mqk: "mqk",
  limit: "bare_client",
  bullmq: "bullmq",
  beeQueue: "bee_queue",
};
const PEERS: readonly SubjectName[] = ["bullmq", "beeQueue"];
const SOURCES = fileURLToPath(new URL("./subjects/", import.meta.url));

type AnswerTo<O extends Order> = O extends EnqueueOrder ? EnqueueAnswer
  : O extends DrainOrder ? DrainAnswer
  : O extends RoundTripsOrder ? RoundTripsAnswer
  : O extends ServeOrder ? Record<never, never>
  : never;

/** A process that can be ended at once, with all that it started. */
export interface Killable {
  kill(): void;
}

/** The programs, ready to be started. */
export class Programs implements AsyncDisposable {
  /** What runs the peers, with its version. */
  readonly runtime: string;
  /** What runs at this moment, so that it can be ended. */
  readonly processes: Set<Killable> = new Set();
  readonly #folder = new TempDir();
  readonly #node: boolean;
  #installed: Promise<void> | undefined;

  constructor() {
    const version = nodeVersion();
    this.#node = version !== undefined;
    this.runtime = version === undefined
      ? `Deno ${Deno.version.deno}`
      : `Node ${version}`;
  }

  /** Starts one of them with an order. */
  async start<O extends Order>(
    subject: SubjectName,
    order: O,
  ): Promise<Running<AnswerTo<O>>> {
    const name = FILES[subject];
    const text = JSON.stringify(order);
    if (!PEERS.includes(subject)) {
      const path = join(SOURCES, `${name}.ts`);
      return this.#run(Deno.execPath(), [...DENO_RUN, path, text]);
    }
    await (this.#installed ??= this.#install());
    const path = join(this.#folder.path, `${name}.mjs`);
    return this.#node
      ? this.#run("node", [path, text])
      : this.#run(Deno.execPath(), [...DENO_RUN, path, text]);
  }

  /** Starts one of them, lets it begin at once, and waits for its answer. */
  async obey<O extends Order>(
    subject: SubjectName,
    order: O,
  ): Promise<AnswerTo<O>> {
    await using running = await this.start(subject, order);
    if (order.action === "drain") {
      await running.ready();
      await running.go();
    }
    return await running.answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  #run<Answer>(program: string, args: readonly string[]): Running<Answer> {
    return new Running(program, args, this.processes);
  }

  /** As JavaScript, which any version of Node reads, beside the packages. */
  async #install(): Promise<void> {
    for (const name of [...PEERS.map((peer) => FILES[peer]), "protocol"]) {
      const text = await Deno.readTextFile(join(SOURCES, `${name}.ts`));
      this.#folder.write(
        `${name}.mjs`,
        stripTypeScriptTypes(text).replaceAll(
          '"./protocol.ts"',
          '"./protocol.mjs"',
        ),
      );
    }
    this.#folder.write(
      "package.json",
      JSON.stringify({ dependencies: PACKAGES, overrides: OVERRIDES }),
    );
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["install", "--quiet"],
      cwd: this.#folder.path,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return;
    throw new Error(
      `Cannot install the peers ${JSON.stringify(PACKAGES)}: ` +
        new TextDecoder().decode(stderr),
    );
  }
}

const DENO_RUN = ["run", "--quiet", "--no-check", "--allow-all"];

function nodeVersion(): string | undefined {
  try {
    const { stdout } = new Deno.Command("node", { args: ["--version"] })
      .outputSync();
    return new TextDecoder().decode(stdout).trim().replace(/^v/, "");
  } catch {
    return undefined;
  }
}

/** A program that has an order; ended when it is disposed. */
export class Running<Answer = unknown> implements AsyncDisposable, Killable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #stderr: Promise<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #name: string;
  readonly #processes: Set<Killable>;

  constructor(
    program: string,
    args: readonly string[],
    processes: Set<Killable>,
  ) {
    this.#name = args.at(-2)!;
    this.#processes = processes;
    processes.add(this);
    this.#child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = lines(this.#child.stdout);
    this.#stderr = new Response(this.#child.stderr).text();
    this.#stdin = this.#child.stdin.getWriter();
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until it can begin. */
  async ready(): Promise<void> {
    await this.#line();
  }

  /** Lets it begin. */
  async go(): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode("go\n"));
  }

  /** What it says at its end. */
  async answer(): Promise<Answer> {
    return JSON.parse(await this.#line()) as Answer;
  }

  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    this.#processes.delete(this);
    await this.#stdin.abort().catch(() => {});
    await this.#child.status;
    await this.#stderr;
    await this.#lines.return(undefined);
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (!done) return value;
    throw new Error(`${this.#name} ended early: ${await this.#stderr}`);
  }
}

async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
