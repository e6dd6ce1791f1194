import { runStray } from "./faults.ts";
import { check, checkEnd, checkLeftovers, isOver } from "./invariants.ts";
import type { World } from "./world.ts";

const ROUND_MS = 250;
/**
 * Two minutes: twice as long as any job waits for its retry, for the lease of a
 * dead worker, or for a busy one that drains.
 */
const ROUNDS_WITHOUT_END = 480;
/** A mark of the dead is kept for 60 ticks, a lease lapses after 10. */
const LAST_TICKS = 75;
/** It takes as many commands as half a run, so not all runs do it. */
const LAST_TICKS_EVERY = 8;

/**
 * The end of a run, without faults: every job must end, however the store and
 * the processes were left.
 */
export async function drain(world: World): Promise<void> {
  world.note("no more faults");
  world.calm = true;
  world.calmSinceMs = world.nowMs;
  if (world.memoryIsFull) await world.store.limitMemory(false);
  world.memoryIsFull = false;
  // What was scheduled before the clock went back is due again.
  world.jump(world.highestOffsetMs - world.offsetMs);
  for (const worker of world.workers) {
    worker.suspendedUntilMs = 0;
    worker.line.refusing = false;
  }
  while (world.parcels.length > 0) world.produce();
  let ends = -1;
  for (let round = 0, since = 0; round - since < ROUNDS_WITHOUT_END; round++) {
    await oneRound(world);
    if (round % 8 < 7) continue;
    const look = await check(world);
    if (isOver(look) && world.strays.length === 0 && !world.fastIsBusy) break;
    if (world.ledger.ends !== ends) since = round;
    ends = world.ledger.ends;
  }
  await checkEnd(world);
  for (const worker of world.living) worker.die("left");
  if (world.seed % LAST_TICKS_EVERY > 0) return;
  const broker = world.directBroker();
  for (let tick = 0; tick < LAST_TICKS; tick++) {
    world.pass(1_000);
    for (const queue of world.store.queues) {
      const { lapsed } = await broker.reap(queue);
      for (const name of lapsed) await broker.recover(name, queue, "lapsed");
    }
  }
  await check(world);
  await checkLeftovers(world);
}

async function oneRound(world: World): Promise<void> {
  world.step++;
  world.pass(ROUND_MS);
  for (const vacancy of world.vacancies.splice(0)) world.spawn(vacancy);
  const { queues } = world.store;
  const all = world.living.some(({ plan }) =>
    plan.queues.length === queues.length
  );
  if (!all) world.spawn({ queues, fast: false });
  await runStray(world);
  await world.settle();
  for (let turn = 0; turn < 3; turn++) {
    for (const worker of world.living) {
      for (let acts = 0; acts < 6 && await worker.act(); acts++);
      await world.settle();
    }
    for (let rounds = 0; rounds < 20; rounds++) {
      const lines = world.busyLines();
      if (lines.length === 0) break;
      for (const line of lines) {
        await world.deliver(line);
        line.answer();
      }
      await world.settle();
    }
  }
}
