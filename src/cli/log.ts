import { hidePassword } from "../hide_password.ts";
import { configureSync, type LogRecord, resetSync } from "../log.ts";
import { localTime } from "./local_time.ts";
import { StderrLines } from "./stderr.ts";

/** What is logged, and how it looks. */
export interface LogOptions {
  /** -1 quiet, 0 default, 1 to 3: `-v` to `-vvv`. */
  readonly verbosity: number;
  readonly format: "text" | "json";
  /** Where lines go, if others write there as well. Default: its own. */
  readonly lines?: StderrLines;
}

/** The log, as long as it is printed. */
export interface Logging extends AsyncDisposable {
  /** Prints a line of another process among the log lines, as it is. */
  passOn(line: string): void;
}

/** More `Job finished` lines in a second than this become one line. */
const MAX_FINISHED_PER_SECOND = 100;

/**
 * Prints the log on stderr from now until it is disposed, which waits until
 * all lines have left. A program calls it once at a time.
 */
export function startLogging(options: LogOptions): Logging {
  const lines = options.lines ?? new StderrLines();
  const format = options.format === "json" ? formatJson : formatText;
  let dropped = 0;
  const reportDropped = () => {
    if (dropped === 0) return;
    lines.write(format(ownRecord(`${dropped} log lines dropped`, "warning")));
    dropped = 0;
  };
  const passOn = (line: string) => {
    if (lines.offer(line)) return;
    if (dropped++ === 0) lines.flush().then(reportDropped);
  };
  const print = (record: LogRecord) => passOn(format(record));
  const throttle = new FinishedThrottle((count) =>
    print(ownRecord(`${count} more jobs finished`, "info"))
  );
  configureSync({
    reset: true,
    sinks: {
      stderr: (record) => {
        if (options.verbosity < 1 && isJobFinished(record)) {
          if (!throttle.admit()) return;
        }
        print(record);
      },
    },
    loggers: [
      { category: ["logtape", "meta"], lowestLevel: "error" },
      {
        category: ["mqk"],
        sinks: ["stderr"],
        lowestLevel: lowest(options.verbosity, ["warning", "info", "trace"]),
      },
      ...["lifecycle", "job"].map((name) => ({
        category: ["mqk", name],
        // Else the level of the parent would count as well.
        parentSinks: "override" as const,
        sinks: ["stderr"],
        lowestLevel: options.verbosity < 0
          ? "warning" as const
          : lowest(options.verbosity, ["info", "info", "trace"], 2),
      })),
    ],
  });
  return {
    passOn,
    [Symbol.asyncDispose]: async () => {
      throttle.end();
      resetSync();
      await lines.flush();
      reportDropped();
      await lines.flush();
    },
  };
}

/** `[2017-07-11 08:14:52] 14327 .NOTICE: Master work on 14327` */
export function formatText(record: LogRecord): string {
  return `[${localTime(new Date(record.timestamp))}] ${Deno.pid} .${
    levelName(record)
  }: ${messageText(record)}`;
}

/** The same as one JSON object, with the values of the message beside it. */
export function formatJson(record: LogRecord): string {
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: levelName(record),
    pid: Deno.pid,
    category: record.category.join("."),
    message: messageText(record),
  });
}

type Level = LogRecord["level"];

function lowest(
  verbosity: number,
  [low, middle, high]: readonly [Level, Level, Level],
  highFrom = 3,
): Level {
  if (verbosity >= highFrom) return high;
  return verbosity >= 1 ? middle : low;
}

function levelName(record: LogRecord): string {
  switch (record.level) {
    case "trace":
    case "debug":
      return "DEBUG";
    case "info":
      return record.category[1] === "lifecycle" ? "NOTICE" : "INFO";
    case "warning":
      return "WARNING";
    default:
      return "ERROR";
  }
}

/** The message on one line, without passwords or control characters. */
function messageText(record: LogRecord): string {
  let text = "";
  for (const part of record.message) text += valueText(part);
  // Whoever sends a job chooses parts of this text: no line of its own, no
  // commands to a terminal.
  return hidePassword(text).replace(
    /\p{Cc}/gu,
    (character) =>
      character === "\n"
        ? "\\n"
        : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  return Deno.inspect(value, { compact: true, breakLength: Infinity });
}

function isJobFinished(record: LogRecord): boolean {
  return record.level === "info" && record.category[1] === "job" &&
    String(record.rawMessage).startsWith("Job finished");
}

/** A record of this module itself. */
function ownRecord(text: string, level: Level): LogRecord {
  return {
    category: ["mqk", "job"],
    level,
    message: [text],
    rawMessage: text,
    timestamp: Date.now(),
    properties: {},
  };
}

/** Lets so many through in a second, and tells how many it did not. */
class FinishedThrottle {
  readonly #summarize: (count: number) => void;
  #admitted = 0;
  #refused = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(summarize: (count: number) => void) {
    this.#summarize = summarize;
  }

  admit(): boolean {
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.end(), 1000);
      Deno.unrefTimer(this.#timer);
    }
    if (this.#admitted < MAX_FINISHED_PER_SECOND) {
      this.#admitted++;
      return true;
    }
    this.#refused++;
    return false;
  }

  /** Ends the current second. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#refused > 0) this.#summarize(this.#refused);
    this.#admitted = this.#refused = 0;
  }
}
