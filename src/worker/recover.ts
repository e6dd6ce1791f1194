import { type Broker, BrokerUnavailableError } from "../broker/broker.ts";
import { brokerLog, lifecycleLog } from "../log.ts";
import { backoffMs } from "../time/backoff.ts";
import { sleep } from "../time/sleep.ts";

/**
 * Puts back what a dead worker held, queue by queue; tries on while the broker
 * is away. Answers with the number of jobs of each queue. Several may do so for
 * the same worker: the first one finds them.
 */
export async function recover(
  broker: Broker,
  queues: readonly string[],
  dead: string,
  { ending }: { readonly ending?: AbortSignal } = {},
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const queue of queues) {
    for (let tries = 0; !ending?.aborted; tries++) {
      try {
        const jobs = await broker.recover(dead, queue, "replaced");
        found.set(queue, jobs);
        if (jobs > 0) {
          lifecycleLog.warn(
            "Recovered {jobs} jobs of queue {queue} that {dead} held",
            { jobs, queue, dead },
          );
        }
        break;
      } catch (error) {
        brokerLog.warn("Cannot recover queue {queue}, trying on: {error}", {
          queue,
          error,
        });
        if (!(error instanceof BrokerUnavailableError)) break;
        await sleep(backoffMs(tries, { minMs: 50, maxMs: 2_000 }), ending);
      }
    }
  }
  return found;
}
