import { LEASE_TICKS } from "../../src/broker/broker.ts";
import type { Faults } from "./profile.ts";
import { Violation } from "./ledger.ts";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;
/** Rarer than that, or the half lease could be outrun (PROTOCOL.md, rule 6). */
const JUMP_EVERY_MS = 5_000;

/** Lets one thing go wrong. */
export async function inject(
  world: World,
  fault: Exclude<keyof Faults, "reaper">,
): Promise<void> {
  const { random } = world;
  switch (fault) {
    case "crash": {
      const { living } = world;
      if (living.length === 0) return;
      const worker = random.pick(living);
      world.note(`${worker.name} is killed`);
      // Much happens between the last command and its answer.
      if (random.chance(0.5)) await world.deliver(worker.line);
      return worker.die("died");
    }
    case "break": {
      const lines = world.busyLines();
      if (lines.length === 0) return;
      const line = random.pick(lines);
      if (random.chance(0.5)) await world.deliver(line);
      world.note(`${line.owner} loses its connection`);
      return world.scatter(line.break());
    }
    case "refuse": {
      const { living } = world;
      if (living.length > 0) random.pick(living).line.refusing = true;
      return;
    }
    case "stray":
      return await runStray(world);
    case "suspend": {
      const awake = world.living.filter((worker) => worker.isAwake());
      if (awake.length === 0) return;
      const worker = random.pick(awake);
      const forMs = random.whole(2_000, random.chance(0.5) ? 12_000 : 62_000);
      world.note(`${worker.name} is suspended for ${forMs} ms`);
      worker.suspendedUntilMs = world.nowMs + forMs;
      return;
    }
    case "orphan": {
      // Sent by a process that is not there any more.
      world.store.wake(world.orphans, random.pick(world.store.queues)).catch(
        () => {},
      );
      await world.deliver(world.orphans);
      return world.orphans.answer();
    }
    case "jump": {
      if (world.nowMs - world.lastJumpMs < JUMP_EVERY_MS) return;
      const byMs = random.whole(-2 * HOUR_MS, 2 * HOUR_MS);
      world.note(`the clock of the store jumps by ${byMs} ms`);
      return world.jump(byMs);
    }
    case "wallJump": {
      const { living } = world;
      if (living.length === 0) return;
      const worker = random.pick(living);
      worker.wallOffsetMs += random.whole(-2 * HOUR_MS, 2 * HOUR_MS);
      return world.note(`the clock of ${worker.name} jumps`);
    }
    case "memory":
      world.memoryIsFull = !world.memoryIsFull;
      world.note(`the memory is ${world.memoryIsFull ? "full" : "free"}`);
      return await world.store.limitMemory(world.memoryIsFull);
    case "stop": {
      const { living } = world;
      if (living.length > 0) random.pick(living).stop();
      return;
    }
    case "spawn":
      return spawn(world);
    case "accuse":
      return await accuse(world);
  }
}

/** A command that was given up reaches the store after all. */
export async function runStray(world: World): Promise<void> {
  const { random, strays } = world;
  if (strays.length === 0) return;
  const [command] = strays.splice(random.whole(0, strays.length - 1), 1);
  world.note(`late or again: ${command.text}`);
  await command.run().catch((error) => {
    if (error instanceof Violation) throw error;
  });
  command.lost?.();
  if (!command.onceOnly && random.chance(0.2)) strays.push(command);
}

/** Whoever takes a worker for lapsed is not believed. */
async function accuse(world: World): Promise<void> {
  const { random, store, names } = world;
  const name = random.pick(names);
  const queue = random.pick(store.queues);
  const age = await store.age(queue, name);
  world.note(`${name} is taken for lapsed in ${queue}, its age is ${age}`);
  const jobs = await world.directBroker().recover(name, queue, "lapsed");
  if (age !== undefined && age >= LEASE_TICKS) return;
  if (jobs === 0 && await store.age(queue, name) === age) return;
  throw new Violation(
    `${name} was recovered as lapsed, but its last renewal was ${age} ticks old`,
  );
}

function spawn(world: World): void {
  const vacancy = world.vacancies.shift();
  if (vacancy !== undefined) return world.spawn(vacancy);
  if (world.living.length < world.profile.workers) world.spawn();
}
