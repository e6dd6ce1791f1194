import assert from "node:assert/strict";
import { ArgumentError } from "../../src/errors.ts";
import { CronTimes } from "../../src/job/cron.ts";

/** The due times from one moment to another, as UTC without the date's year. */
function dueTimes(
  cron: string,
  timeZone: string,
  from: string,
  to: string,
): string[] {
  const times = new CronTimes(cron, timeZone);
  const found: string[] = [];
  let ms: number | undefined = Date.parse(from) - 1;
  while ((ms = times.nextMs(ms)) !== undefined && ms < Date.parse(to)) {
    found.push(new Date(ms).toISOString().slice(5, -8).replace("T", " "));
  }
  return found;
}

interface Case {
  readonly cron: string;
  readonly timeZone: string;
  readonly day: string;
  readonly due: readonly string[];
}

/** Local days of 24 hours before and after are in it, as they are in UTC. */
function check({ cron, timeZone, day, due }: Case): void {
  const noon = Date.parse(`${day}T12:00:00Z`);
  const at = (hours: number) =>
    new Date(noon + hours * 3_600_000).toISOString();
  assert.deepEqual(dueTimes(cron, timeZone, at(-24), at(24)), due, cron);
}

const BERLIN = "Europe/Berlin";
const NEW_YORK = "America/New_York";
/** Its clocks change by half an hour. */
const LORD_HOWE = "Australia/Lord_Howe";

const SKIPPED: readonly Case[] = [
  // 02:00 becomes 03:00.
  {
    cron: "30 2 * * *",
    timeZone: BERLIN,
    day: "2026-03-29",
    due: ["03-29 01:30", "03-30 00:30"],
  },
  {
    cron: "0 3 * * *",
    timeZone: BERLIN,
    day: "2026-03-29",
    due: ["03-29 01:00", "03-30 01:00"],
  },
  {
    cron: "15,45 2 * * *",
    timeZone: BERLIN,
    day: "2026-03-29",
    due: ["03-29 01:15", "03-29 01:45", "03-30 00:15", "03-30 00:45"],
  },
  {
    cron: "*/30 2 * * *",
    timeZone: BERLIN,
    day: "2026-03-29",
    due: ["03-29 01:00", "03-29 01:30", "03-30 00:00", "03-30 00:30"],
  },
  // Two local times that become one moment are due once.
  {
    cron: "0,30 2-3 * * *",
    timeZone: BERLIN,
    day: "2026-03-29",
    due: [
      ...["03-29 01:00", "03-29 01:30"],
      ...["03-30 00:00", "03-30 00:30", "03-30 01:00", "03-30 01:30"],
    ],
  },
  {
    cron: "30 2 * * *",
    timeZone: NEW_YORK,
    day: "2026-03-08",
    due: ["03-08 07:30", "03-09 06:30"],
  },
  // 02:00 becomes 02:30.
  {
    cron: "15 2 * * *",
    timeZone: LORD_HOWE,
    day: "2026-10-04",
    due: ["10-03 15:45", "10-04 15:15"],
  },
];

const REPEATED: readonly Case[] = [
  // 03:00 becomes 02:00.
  {
    cron: "30 2 * * *",
    timeZone: BERLIN,
    day: "2026-10-25",
    due: ["10-25 00:30", "10-26 01:30"],
  },
  {
    cron: "15,45 2 * * *",
    timeZone: BERLIN,
    day: "2026-10-25",
    due: ["10-25 00:15", "10-25 00:45", "10-26 01:15", "10-26 01:45"],
  },
  {
    cron: "*/30 2 * * *",
    timeZone: BERLIN,
    day: "2026-10-25",
    due: ["10-25 00:00", "10-25 00:30", "10-26 01:00", "10-26 01:30"],
  },
  {
    cron: "0 3 * * *",
    timeZone: BERLIN,
    day: "2026-10-25",
    due: ["10-25 02:00", "10-26 02:00"],
  },
  {
    cron: "30 1 * * *",
    timeZone: NEW_YORK,
    day: "2026-11-01",
    due: ["11-01 05:30", "11-02 06:30"],
  },
  // 02:00 becomes 01:30.
  {
    cron: "45 1 * * *",
    timeZone: LORD_HOWE,
    day: "2026-04-05",
    due: ["04-04 14:45", "04-05 15:15"],
  },
];

Deno.test("a local time that the clocks skip is due once, by the clocks of before", () => {
  for (const skipped of SKIPPED) check(skipped);
});

Deno.test("a local time that the clocks repeat is due once, the first time", () => {
  for (const repeated of REPEATED) check(repeated);
});

Deno.test("an expression for every hour goes by time that passes", () => {
  for (
    const [cron, timeZone, from, to, perHour] of [
      ["*/15 * * * *", BERLIN, "2026-03-28T12:00Z", "2026-03-30T12:00Z", 4],
      ["*/15 * * * *", BERLIN, "2026-10-24T12:00Z", "2026-10-26T12:00Z", 4],
      ["0 * * * *", NEW_YORK, "2026-10-31T12:00Z", "2026-11-02T12:00Z", 1],
      ["@hourly", NEW_YORK, "2026-03-07T12:00Z", "2026-03-09T12:00Z", 1],
      ["*/10 * * * *", LORD_HOWE, "2026-04-04T12:00Z", "2026-04-06T12:00Z", 6],
    ] as const
  ) {
    const due = dueTimes(cron, timeZone, from, to);
    assert.equal(due.length, 48 * perHour, cron);
    assert.equal(new Set(due).size, due.length, cron);
  }
});

Deno.test("an hour that loses its full hour has it when the clocks go on", () => {
  check({
    cron: "0 1,2,3 * * *",
    timeZone: LORD_HOWE,
    day: "2026-10-04",
    due: [
      ...["10-03 14:30", "10-03 15:30", "10-03 16:00"],
      ...["10-04 14:00", "10-04 15:00", "10-04 16:00"],
    ],
  });
});

Deno.test("each day of a year has its job in each zone, whatever its clocks do", () => {
  for (
    const timeZone of [
      ...[BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kolkata", "America/Santiago"],
      ...["Africa/Casablanca", "Pacific/Apia", "America/St_Johns", "UTC"],
    ]
  ) {
    for (const hour of [0, 1, 2, 3, 23]) {
      const due = dueTimes(
        `30 ${hour} * * *`,
        timeZone,
        "2026-01-01T12:00Z",
        "2027-01-01T12:00Z",
      );
      assert.equal(due.length, 365, `${timeZone} ${hour}`);
    }
  }
});

Deno.test("a day that a zone left out moves to the next one", () => {
  // Samoa had no 2011-12-30.
  assert.deepEqual(
    dueTimes("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00Z", "2012-01-02Z"),
    ["12-29 22:00", "12-30 22:00", "12-31 22:00", "01-01 22:00"],
  );
});

Deno.test("due times far away are found, and an end", () => {
  const leap = new CronTimes("0 0 29 2 *", BERLIN);
  const ms = leap.nextMs(Date.parse("2026-03-01T00:00Z"))!;
  assert.equal(new Date(ms).toISOString(), "2028-02-28T23:00:00.000Z");
  assert.deepEqual(
    dueTimes("0 0 0 1 1 * 2027", "UTC", "2026-01-01Z", "2030-01-01Z"),
    ["01-01 00:00"],
  );
  assert.equal(new CronTimes("0 0 30 2 *", BERLIN).nextMs(0), undefined);
});

Deno.test("seconds, names and the last day of a month can be given", () => {
  const due = (cron: string) =>
    dueTimes(cron, "UTC", "2026-01-29Z", "2026-02-03Z");
  assert.deepEqual(due("0 30 12 L * *"), ["01-31 12:30"]);
  assert.deepEqual(due("0 8 * * MON"), ["02-02 08:00"]);
  assert.deepEqual(due("@monthly"), ["02-01 00:00"]);
});

Deno.test("what is no cron expression or time zone is refused in one line", () => {
  for (
    const [cron, timeZone, message] of [
      ["61 * * * *", "UTC", /cron "61 \* \* \* \*": invalid value for minute/],
      ["* * * *", "UTC", /it must have five fields/],
      ["", "UTC", /it must have five fields/],
      ["a b c d e", "UTC", /illegal characters/],
      ["0 3 * * 8", "UTC", /dayOfWeek/],
      ["@reboot", "UTC", /not supported/],
      ["2030-01-01T00:00:00", "UTC", /five fields/],
      ["* ".repeat(200), "UTC", /at most 200/],
      [7 as unknown as string, "UTC", /must be a text/],
      ["0 3 * * *", "Mars/X", /time zone "Mars\/X"/],
      ["0 3 * * *", "", /time zone ""/],
      ["0 3 * * *", 1 as unknown as string, /time zone 1/],
    ] as const
  ) {
    assert.throws(() => new CronTimes(cron, timeZone), (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});
