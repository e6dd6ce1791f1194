/**
 * A program that sends jobs and waits for some of them:
 * `producer.ts <dsn> <seed>`. It says on stdout what it knows of each job, and
 * ends when its stdin ends and it has all results.
 *
 * @module
 */
import { type Client, connect, EnqueueUncertainError } from "../../mod.ts";
import { Random } from "../model/random.ts";
import { type KindName, KINDS } from "./jobs.ts";
import { sendJobs } from "./send.ts";

const EVERY_MS = 200;
const RESULT_WITHIN_SECONDS = 600;
/** As many results are awaited at most: so few jobs wait that all can end. */
const MOST_AWAITED = 200;
const [dsn, seed] = Deno.args;
const random = new Random(Number(seed));
const weights = Object.fromEntries(
  Object.entries(KINDS).map(([kind, { weight }]) => [kind, weight]),
) as Record<KindName, number>;

function say(...words: string[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(words.join(" ") + "\n"));
}

/** Sends some jobs of one kind, and waits for some of those that succeed. */
async function produce(client: Client): Promise<Promise<void>[]> {
  const kind = random.weighted(weights);
  const queue = random.chance(0.3) ? "low" : "default";
  const count = random.whole(1, 24);
  const waits = random.chance(0.2);
  try {
    const jobs = await sendJobs(client, kind, queue, count);
    for (const { id } of jobs) say("confirmed", id, kind);
    return waits ? jobs.map((job) => expect(job, kind)) : [];
  } catch (error) {
    if (error instanceof EnqueueUncertainError) {
      for (const id of error.confirmed) say("confirmed", id, kind);
      for (const id of error.uncertain) say("uncertain", id, kind);
    } else if ((error as Error).name !== "BrokerError") throw error;
    return [];
  }
}

async function expect(
  job: { id: string; result(options: { timeout: number }): Promise<unknown> },
  kind: KindName,
): Promise<void> {
  try {
    const result = await job.result({ timeout: RESULT_WITHIN_SECONDS });
    say("result", job.id, kind, String(result));
  } catch (error) {
    say("rejected", job.id, kind, (error as Error).name);
  }
}

await using client = connect(dsn);
const stopped = Deno.stdin.readable.pipeTo(new WritableStream())
  .then(() => true);
const results = new Set<Promise<void>>();
for (let isStopped = false; !isStopped;) {
  if (results.size < MOST_AWAITED) {
    for (const result of await produce(client)) {
      results.add(result);
      void result.then(() => results.delete(result));
    }
  }
  const pause = new Promise<boolean>((resolve) =>
    setTimeout(() => resolve(false), EVERY_MS)
  );
  isStopped = await Promise.race([stopped, pause]);
}
await Promise.all(results);
say("finished");
