import type { MqkProcess } from "../harness/mqk_process.ts";
import type { Site } from "../guarantees/site.ts";

const WORKERS = 2;
const START_TRIES = 10;

/** The `mqk run` programs, each with its workers. */
export class Fleet {
  /** Workers that were killed, or suspended. */
  readonly violated = new Set<number>();
  /** Kills of workers by us. */
  kills = 0;
  /** How masters ended that were told to. */
  readonly exitCodes: number[] = [];
  readonly #site: Site;
  readonly #masters: MqkProcess[];
  /** All that ever were. */
  readonly #all: MqkProcess[];
  /** What is done to one master is done one after the other. */
  readonly #last: Promise<void>[];

  private constructor(site: Site, masters: MqkProcess[]) {
    this.#site = site;
    this.#masters = masters;
    this.#all = [...masters];
    this.#last = masters.map(() => Promise.resolve());
  }

  /** Starts `count` masters. */
  static async start(site: Site, count: number): Promise<Fleet> {
    const masters: MqkProcess[] = [];
    while (masters.length < count) masters.push(await startMaster(site));
    return new Fleet(site, masters);
  }

  /** Resident memory of the masters, in MB. */
  rssMb(): number[] {
    return this.#masters.map(({ pid }) => {
      try {
        const status = Deno.readTextFileSync(`/proc/${pid}/status`);
        return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
      } catch {
        return 0;
      }
    });
  }

  /** Lines of the log that name a worker, but for those of its jobs. */
  mentions(pid: number): string[] {
    const number = new RegExp(`\\b${pid}\\b`);
    return this.#all.flatMap(({ stderr }) => stderr).filter((line) =>
      number.test(line) && !/Job|jobs finished/.test(line)
    );
  }

  killWorker(target: number): void {
    const pid = this.#worker(target);
    if (pid === undefined) return;
    this.violated.add(pid);
    this.kills++;
    signal(pid, "SIGKILL");
  }

  async stopWorker(target: number, forMs: number): Promise<void> {
    const pid = this.#worker(target);
    if (pid === undefined) return;
    this.violated.add(pid);
    signal(pid, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, forMs));
    signal(pid, "SIGCONT");
  }

  /** Workers of a master that is killed let their jobs end. */
  killMaster(target: number): Promise<void> {
    return this.#with(target, async (master) => {
      signal(master.pid, "SIGKILL");
      await master.status;
      return await startMaster(this.#site);
    });
  }

  endMaster(target: number): Promise<void> {
    return this.#with(target, async (master) => {
      signal(master.pid, "SIGTERM");
      // Its successor comes before it has ended, as in a deploy.
      const successor = await startMaster(this.#site);
      this.exitCodes.push(await master.exitCode());
      return successor;
    });
  }

  hangUp(target: number): void {
    signal(this.#masters[target % this.#masters.length].pid, "SIGHUP");
  }

  /** Ends all, in an orderly way. */
  async end(): Promise<void> {
    for (const { pid } of this.#masters) signal(pid, "SIGTERM");
    for (const master of this.#masters) {
      this.exitCodes.push(await master.exitCode());
    }
  }

  #worker(target: number): number | undefined {
    const pids = this.#masters.flatMap(({ workerPids }) => workerPids);
    return pids[target % pids.length];
  }

  #with(
    target: number,
    change: (master: MqkProcess) => Promise<MqkProcess>,
  ): Promise<void> {
    const index = target % this.#masters.length;
    return this.#last[index] = this.#last[index].then(async () => {
      const successor = await change(this.#masters[index]);
      this.#masters[index] = successor;
      this.#all.push(successor);
    });
  }
}

/** The broker may be away at this moment. */
async function startMaster(site: Site): Promise<MqkProcess> {
  for (let tries = 1;; tries++) {
    try {
      // deno-fmt-ignore
      return await site.run("-w", String(WORKERS), "--queue", "default", "--queue", "low");
    } catch (error) {
      if (tries === START_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It has ended.
  }
}
