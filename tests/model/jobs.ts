import type { Entry } from "../../src/broker/broker.ts";
import { encodeMessage } from "../../src/job/message.ts";
import type { Ledger } from "./ledger.ts";
import type { Profile } from "./profile.ts";
import type { Random } from "./random.ts";

/** What one step of a producer sends. */
export type Parcel =
  /** Jobs, as this library sends them. */
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  /** A message of another program. */
  | {
    readonly kind: "foreign";
    readonly queue: string;
    readonly message: string;
  };

/** Everything that the producers of a run will send, in order. */
export function planJobs(
  random: Random,
  profile: Profile,
  queues: readonly string[],
  ledger: Ledger,
): Parcel[] {
  const parcels: Parcel[] = [];
  for (let number = 0; number < profile.jobs;) {
    const label = `L${number}`;
    const kind = random.weighted(profile.kinds);
    const queue = random.pick(queues);
    const runsMs = random.chance(profile.slow)
      ? random.whole(12_000, 25_000)
      : 0;
    const foreign = kind !== "poison" && random.chance(0.15);
    const retries = kind === "failing" || kind === "poison"
      ? random.whole(0, 2)
      : 40;
    const failures = random.whole(1, 3);
    const text = (id?: string) =>
      encodeMessage({
        id,
        job: "model.ts#job",
        args: [label],
        ttl: 60,
        retries,
        backoff: { fixed: random.whole(0, 3) },
        attempt: 1,
        result: true,
      });
    if (kind === "garbage" || foreign) {
      const copies = kind === "garbage" ? 1 : random.whole(1, 3);
      ledger.open({
        label,
        kind,
        queue,
        retries,
        failures,
        runsMs,
        unique: copies === 1,
      });
      const message = kind === "garbage" ? text().slice(0, -1) : text();
      for (let copy = 0; copy < copies; copy++) {
        parcels.push({ kind: "foreign", queue, message });
      }
      number++;
      continue;
    }
    const entries: Entry[] = [];
    for (let left = random.whole(1, 4); left > 0; left--) {
      ledger.open({
        label: `L${number}`,
        kind,
        queue,
        retries,
        failures,
        runsMs,
        unique: true,
      });
      const id = `p${number % 2}.${number}`;
      const message = text(id).replace(`"${label}"`, `"L${number}"`);
      entries.push({
        id,
        queue,
        message,
        ...(random.chance(0.15) && { delayMs: random.whole(0, 20_000) }),
        ...(random.chance(0.1) && { idempotencyKey: `k${number}` }),
      });
      number++;
    }
    parcels.push({ kind: "entries", entries });
  }
  return parcels;
}
