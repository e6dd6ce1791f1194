/** Jobs by how they fail. */
import { EventEmitter } from "node:events";
import process from "node:process";
import { setTimeout as setNodeTimeout } from "node:timers";

class NoRetry extends Error {
  override name = "NoRetry";
}

class RetryAfter extends Error {
  override name = "RetryAfter";
  constructor(readonly seconds: number) {
    super("later");
  }
}

export function throws(): void {
  throw new RangeError("too far");
}

export function throwsText(): void {
  throw "just text";
}

export async function rejects(): Promise<void> {
  await Promise.resolve();
  throw new RangeError("too late");
}

/** With its own copy of the class, as a job with its own library has. */
export function noRetry(): void {
  throw new NoRetry("hopeless");
}

export function retryAfter(seconds: number): void {
  throw new RetryAfter(seconds);
}

/** Leaves a rejection behind that nobody handles, and returns. */
export function floats(): string {
  Promise.reject(new Error("floating"));
  return "looks done";
}

export function seldomFloats(now: boolean): string {
  if (now) Promise.reject(new Error("seldom"));
  return "looks done";
}

export async function floatsAndGoesOn(waitMs: number): Promise<string> {
  (async () => {
    await Promise.resolve();
    throw new Error("floating");
  })();
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  return "looks done";
}

export async function throwingTimer(waitMs: number): Promise<string> {
  setTimeout(() => {
    throw new Error("thrown by a timer");
  }, 0);
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  return "looks done";
}

/** Ways of Node, which packages from npm use. */
const nodeWays: Record<string, () => void> = {
  timer: () => void setNodeTimeout(throws, 0),
  tick: () => process.nextTick(throws),
  emitter: () => process.nextTick(() => new EventEmitter().emit("error")),
  microtask: () => queueMicrotask(throws),
  listener: () => {
    const target = new EventTarget();
    target.addEventListener("any", throws);
    target.dispatchEvent(new Event("any"));
  },
};

export async function throwsInWayOf(way: string): Promise<string> {
  nodeWays[way]();
  await new Promise((resolve) => setTimeout(resolve, 20));
  return "looks done";
}

let bomb = false;

/** An interval that goes on after its job. */
export function leavesInterval(): string {
  setInterval(() => {
    if (bomb) throw new Error("left behind");
  }, 1);
  return "done";
}

/** From now on the interval throws each time. */
export function lightsBomb(): void {
  bomb = true;
}
