import assert from "node:assert/strict";
import {
  BrokerUnavailableError,
  FencedError,
  MismatchError,
  WrongTypeError,
} from "../../src/broker/broker.ts";
import { BrokerError } from "../../src/errors.ts";
import { ReserveErrors } from "../../src/worker/reserve_errors.ts";

const EVENTS = { fenced: () => {}, useless: assert.fail };

Deno.test("if the one server is away, all queues wait for it, longer each time", () => {
  const errors = new ReserveErrors(2, false, EVENTS);
  const wait = (queue: string) => {
    const met = errors.met(queue, new BrokerUnavailableError("away"), 0);
    assert.equal(met.restMs, undefined);
    return met.anewMs!;
  };
  assert.ok(wait("a") <= 100);
  for (let n = 0; n < 10; n++) wait("a");
  assert.ok(wait("b") >= 1_000);
  errors.answered("b");
  assert.ok(wait("a") <= 100);
});

Deno.test("if only waiting fails, no queue is closed for it", () => {
  const errors = new ReserveErrors(1, true, EVENTS);
  assert.equal(errors.waited("a", new BrokerError("NOPERM"), 0), 1_000);
  assert.equal(errors.waited("a", new WrongTypeError("a string"), 0), 1_000);
  assert.equal(errors.waited("a", new FencedError("lapsed"), 0), 1_000);
  const away = new BrokerUnavailableError("away");
  assert.ok(errors.waited("a", away, 0) <= 200);
});

Deno.test("on several servers a queue whose server is away rests longer each time, until it answers", () => {
  const errors = new ReserveErrors(2, true, EVENTS);
  const rest = (queue: string) =>
    errors.met(queue, new BrokerUnavailableError("away"), 0).restMs!;
  assert.ok(rest("a") <= 100);
  for (let n = 0; n < 10; n++) rest("a");
  assert.ok(rest("a") >= 1_000);
  assert.ok(rest("b") <= 100, "of another one nothing is known");
  errors.answered("a");
  assert.ok(rest("a") <= 100);
});

Deno.test("a queue that is refused rests for a second, one with a foreign key for ever", () => {
  const useless: Error[] = [];
  const errors = new ReserveErrors(2, false, {
    ...EVENTS,
    useless: (error) => useless.push(error),
  });
  const refused = new BrokerError("NOPERM");
  assert.deepEqual(errors.met("a", refused, 0), { restMs: 1_000 });
  const foreign = new WrongTypeError("a string");
  assert.deepEqual(errors.met("a", foreign, 0), { restMs: Infinity });
  assert.deepEqual(useless, []);
  errors.met("b", foreign, 0);
  assert.deepEqual(useless, [foreign], "none is left");
});

Deno.test("who was wrong about what it holds asks anew at once, then more slowly", () => {
  const errors = new ReserveErrors(1, false, EVENTS);
  const mismatch = new MismatchError("2, known 1");
  assert.deepEqual(errors.met("a", mismatch, 0), { anewMs: 0 });
  assert.deepEqual(errors.met("a", mismatch, 0), { anewMs: 100 });
});

Deno.test("a lapsed lease is told of", () => {
  const fenced: Error[] = [];
  const errors = new ReserveErrors(1, false, {
    ...EVENTS,
    fenced: (error) => fenced.push(error),
  });
  const error = new FencedError("lapsed");
  assert.deepEqual(errors.met("a", error, 0), { anewMs: 1_000 });
  assert.deepEqual(fenced, [error]);
});
