import { Cron } from "npm:croner@11.0.1";
import { ArgumentError } from "../errors.ts";

const MAX_LENGTH = 200;
/** No clock is put forward or back by more. */
const LONGEST_CHANGE_MS = 2 * 86_400_000;

/** A span of time in which a zone has one offset from UTC. */
interface Stretch {
  readonly startMs: number;
  /** The first moment after it; without an end `Infinity`. */
  readonly endMs: number;
  readonly offsetMs: number;
  readonly offsetBeforeMs: number;
}

/**
 * When a cron expression is due by the clocks of a time zone.
 *
 * Each local time that it names is due once a day, also on the two days on
 * which the clocks change: a time that they skip is due by the clocks of
 * before (02:30 becomes 03:30), one that comes twice only the first time. An
 * expression with `*` as its hour goes by time that passes instead: it is due
 * in both hours.
 *
 * The library reads the expression and finds local times, as if clocks never
 * changed; its own rules would lose or double some of them.
 */
export class CronTimes {
  readonly #pattern: Cron;
  readonly #timeZone: string;
  readonly #everyHour: boolean;
  #stretch: Stretch | undefined;

  /**
   * @param expression Five fields, six with seconds in front, seven with a
   * year at the end, or a nickname as `@daily`.
   * @throws {ArgumentError} If it or the time zone can't be read.
   */
  constructor(expression: string, timeZone: string) {
    this.#pattern = parse(expression);
    checkTimeZone(timeZone);
    this.#timeZone = timeZone;
    this.#everyHour = isEveryHour(expression);
  }

  /** The first due time after `afterMs`, in milliseconds; none: never again. */
  nextMs(afterMs: number): number | undefined {
    for (let stretch = this.#stretchAt(afterMs);;) {
      const { endMs, offsetMs } = stretch;
      const skippedMs = this.#nextSkippedMs(stretch, afterMs);
      const nextMs = this.#nextAtOffsetMs(
        Math.max(afterMs, this.#freshFromMs(stretch) - 1),
        offsetMs,
      );
      if (nextMs < endMs) return Math.min(nextMs, skippedMs);
      if (skippedMs < Infinity) return skippedMs;
      if (nextMs === Infinity) return undefined;
      stretch = this.#stretchAt(Math.max(endMs, nextMs - LONGEST_CHANGE_MS));
    }
  }

  /** The next local time that was skipped when the stretch began. */
  #nextSkippedMs(
    { startMs, offsetMs, offsetBeforeMs }: Stretch,
    afterMs: number,
  ): number {
    const untilMs = startMs + offsetMs - offsetBeforeMs;
    if (startMs === -Infinity || afterMs >= untilMs) return Infinity;
    const nextMs = this.#nextAtOffsetMs(
      Math.max(afterMs, startMs - 1),
      offsetBeforeMs,
    );
    return nextMs < untilMs ? nextMs : Infinity;
  }

  /** From when on local times of a stretch did not come before it. */
  #freshFromMs({ startMs, offsetMs, offsetBeforeMs }: Stretch): number {
    if (this.#everyHour) return startMs;
    return startMs + Math.max(0, offsetBeforeMs - offsetMs);
  }

  /** The next time by a clock that is never changed. */
  #nextAtOffsetMs(afterMs: number, offsetMs: number): number {
    const next = this.#pattern.nextRun(new Date(afterMs + offsetMs));
    return next === null ? Infinity : next.getTime() - offsetMs;
  }

  #stretchAt(ms: number): Stretch {
    const known = this.#stretch;
    if (known !== undefined && known.startMs <= ms && ms < known.endMs) {
      return known;
    }
    const at = (epochMs: number) =>
      Temporal.Instant.fromEpochMilliseconds(epochMs)
        .toZonedDateTimeISO(this.#timeZone);
    const here = at(ms);
    const startMs = at(ms + 1).getTimeZoneTransition("previous")
      ?.epochMilliseconds ?? -Infinity;
    const before = startMs === -Infinity ? here : at(startMs - 1);
    return this.#stretch = {
      startMs,
      endMs: here.getTimeZoneTransition("next")?.epochMilliseconds ?? Infinity,
      offsetMs: here.offsetNanoseconds / 1e6,
      offsetBeforeMs: before.offsetNanoseconds / 1e6,
    };
  }
}

function parse(expression: string): Cron {
  const refuse = (reason: string, cause?: unknown) =>
    new ArgumentError(
      `Cannot use cron ${JSON.stringify(expression)}: ${reason}`,
      { cause },
    );
  if (typeof expression !== "string" || expression.length > MAX_LENGTH) {
    throw refuse(`it must be a text of at most ${MAX_LENGTH} characters`);
  }
  // Among other texts the library takes a date.
  if (!/^\s*(@\w+|\S+(\s+\S+){4,6})\s*$/.test(expression)) {
    throw refuse('it must have five fields, as "0 3 * * *"');
  }
  try {
    return new Cron(expression, { paused: true, utcOffset: 0 });
  } catch (error) {
    const [, reason] = /^(?:Cron\w+: )?([^.]*)/.exec((error as Error).message)!;
    throw refuse(reason[0].toLowerCase() + reason.slice(1), error);
  }
}

function isEveryHour(expression: string): boolean {
  const fields = expression.trim().split(/\s+/);
  if (fields.length === 1) return /^@hourly$/i.test(fields[0]);
  return /^[*?]$/.test(fields[fields.length === 5 ? 1 : 2]);
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch (error) {
    throw new ArgumentError(
      `Cannot use time zone ${JSON.stringify(timeZone)}: ` +
        'it must be a known one, as "Europe/Berlin" or "UTC"',
      { cause: error },
    );
  }
}
