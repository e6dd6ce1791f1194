import assert from "node:assert/strict";
import { startLogging } from "../../src/cli/log.ts";
import { StderrLines } from "../../src/cli/stderr.ts";
import { brokerLog, jobLog, lifecycleLog } from "../../src/log.ts";

/** What is printed while `act` runs, line by line. */
async function logged(
  verbosity: number,
  act: () => void,
  format: "text" | "json" = "text",
): Promise<string[]> {
  let text = "";
  const lines = new StderrLines({
    write: (bytes) => {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  {
    await using _log = startLogging({ verbosity, format, lines });
    act();
  }
  return text.split("\n").slice(0, -1);
}

function logEverything(): void {
  lifecycleLog.info("notice");
  jobLog.info("Job finished and result is {shown}", { shown: "2" });
  jobLog.debug("life of a job");
  brokerLog.info("information");
  brokerLog.debug("broker command");
  jobLog.warning("warning");
  jobLog.error("error");
}

function texts(lines: string[]): string[] {
  return lines.map((line) => line.replace(/^.*? \./, ""));
}

Deno.test("a line is the local time, the process, the level and the text", async () => {
  const [line] = await logged(0, () => {
    lifecycleLog.info("Master work on {pid}", { pid: 14327 });
  });
  assert.match(
    line,
    /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \d+ \.NOTICE: Master work on 14327$/,
  );
  assert.equal(line.split(" ")[2], String(Deno.pid));
});

Deno.test("verbosity chooses what is logged", async () => {
  const quiet = ["WARNING: warning", "ERROR: error"];
  const normal = [
    "NOTICE: notice",
    "INFO: Job finished and result is 2",
    ...quiet,
  ];
  const verbose = normal.toSpliced(2, 0, "INFO: information");
  const lives = verbose.toSpliced(2, 0, "DEBUG: life of a job");
  const all = lives.toSpliced(4, 0, "DEBUG: broker command");
  for (
    const [verbosity, expected] of [
      [-1, quiet],
      [0, normal],
      [1, verbose],
      [2, lives],
      [3, all],
    ] as const
  ) {
    assert.deepEqual(texts(await logged(verbosity, logEverything)), expected);
  }
});

Deno.test("beyond 100 finished jobs a second only their number is logged", async () => {
  const act = () => {
    for (let i = 0; i < 150; i++) {
      jobLog.info("Job finished and result is {shown}", { shown: String(i) });
    }
  };
  const lines = texts(await logged(0, act));
  assert.equal(lines.length, 101);
  assert.equal(lines[99], "INFO: Job finished and result is 99");
  assert.equal(lines[100], "INFO: 50 more jobs finished");
  assert.equal((await logged(1, act)).length, 150);
});

Deno.test("a record stays on its line and shows no password", async () => {
  const lines = texts(
    await logged(0, () => {
      jobLog.warning("{text}", { text: "one\ntwo\x1b[2J redis://u:pw@host" });
    }),
  );
  assert.deepEqual(lines, [
    "WARNING: one\\ntwo\\x1b[2J redis://u:***@host",
  ]);
});

Deno.test("a JSON line is an object with the same parts", async () => {
  const [line] = await logged(0, () => {
    lifecycleLog.info("Master work on {pid}", { pid: 1 });
  }, "json");
  const { time, ...rest } = JSON.parse(line);
  assert.ok(!Number.isNaN(Date.parse(time)));
  assert.deepEqual(rest, {
    level: "NOTICE",
    pid: Deno.pid,
    category: "mqk.lifecycle",
    message: "Master work on 1",
  });
});

Deno.test("lines that nobody reads are dropped and counted", async () => {
  const opened = Promise.withResolvers<void>();
  let text = "";
  const lines = new StderrLines({
    write: async (bytes) => {
      await opened.promise;
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  {
    await using log = startLogging({ verbosity: 0, format: "text", lines });
    for (let i = 0; i < 20; i++) log.passOn("x".repeat(99_999));
    opened.resolve();
  }
  const last = text.split("\n").at(-2)!;
  assert.match(last, /\.WARNING: 9 log lines dropped$/);
});
