import assert from "node:assert/strict";
import {
  makePage,
  type PageState,
  sparkline,
} from "../../src/cli/live_page.ts";
import type { QueueState } from "../../src/cli/queue_looks.ts";

function queue(name: string, ready: number): QueueState {
  return {
    queue: name,
    state: "active",
    ready,
    held: 0,
    scheduled: 0,
    retry: 0,
    failed: 0,
  };
}

function state(change: Partial<PageState> = {}): PageState {
  return {
    place: "redis://h",
    time: new Date(),
    overview: { queues: [queue("a", 1), queue("b", 2)], workers: [] },
    outPerSecond: [],
    sort: "queue",
    scrolled: 0,
    paused: false,
    ...change,
  };
}

Deno.test("a sparkline has a bar per value, the highest for the largest", () => {
  assert.equal(sparkline([0, 50, 100], 10), "▁▅█");
  assert.equal(sparkline([1, 2, 3], 2), "▆█");
  assert.equal(sparkline([0, 0], 5), "▁▁");
  assert.equal(sparkline([], 5), "");
  assert.equal(sparkline([1], -3), "");
});

Deno.test("a page is as high as the terminal, whatever there is to see", () => {
  const many = Array.from({ length: 500 }, (_, i) => queue(`q${i}`, i));
  for (const queues of [[], many.slice(0, 3), many]) {
    for (const rows of [7, 8, 12, 24, 100]) {
      const page = makePage(
        state({ overview: { queues, workers: [] } }),
        { columns: 80, rows },
      );
      assert.equal(page.lines.length, rows, `${queues.length} in ${rows}`);
    }
  }
});

Deno.test("queues are sorted by their name upwards, by numbers downwards", () => {
  const names = (sort: PageState["sort"]) =>
    makePage(state({ sort }), { columns: 80, rows: 24 }).lines
      .flatMap(({ text }) => /^([ab]) +active/.exec(text)?.[1] ?? []);
  assert.deepEqual(names("queue"), ["a", "b"]);
  assert.deepEqual(names("ready"), ["b", "a"]);
  // What is not known comes last.
  assert.deepEqual(names("p99Ms"), ["a", "b"]);
});

Deno.test("one scrolls as far as there is something to see", () => {
  const queues = Array.from({ length: 50 }, (_, i) => queue(`q${i}`, i));
  const scroll = (scrolled: number) =>
    makePage(
      state({ scrolled, overview: { queues, workers: [] } }),
      { columns: 80, rows: 24 },
    );
  assert.equal(scroll(-1).scrolled, 0);
  const { scrolled, lines } = scroll(1000);
  assert.ok(scrolled > 20 && scrolled < 50, String(scrolled));
  assert.ok(lines.some(({ text }) => text.startsWith("q9 ")));
});
