/**
 * What a job reports while it runs, as text that a broker stores without
 * reading it.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import { whatJsonLoses } from "./arguments.ts";

/** The largest update that is stored, in UTF-16 units of its JSON. */
export const MAX_UPDATE_LENGTH = 64 * 1024;

/** Which update of which run it is. */
export interface UpdateMark {
  /** Random, the same for all updates of one run of the job. */
  readonly run: string;
  /** The attempt that this run is charged as, from 1. */
  readonly attempt: number;
  /** Its place among the updates of the run, from 1. */
  readonly number: number;
}

/** An update as it was stored. */
export interface Update extends UpdateMark {
  readonly value: unknown;
}

/**
 * The stored form of an update.
 *
 * @throws {ArgumentError} If JSON would lose or change `value`, or it is above
 * {@linkcode MAX_UPDATE_LENGTH}.
 */
export function encodeUpdate(
  { run, attempt, number }: UpdateMark,
  value: unknown,
): string {
  const loss = whatJsonLoses(value, "update");
  if (loss !== undefined) throw new ArgumentError(`Cannot report ${loss}`);
  const json = JSON.stringify(value);
  if (json.length > MAX_UPDATE_LENGTH) {
    throw new ArgumentError(
      `Cannot report an update of ${json.length} characters of JSON: it must ` +
        `be at most ${MAX_UPDATE_LENGTH}`,
    );
  }
  return `{"run":"${run}","attempt":${attempt},"number":${number},` +
    `"value":${json}}`;
}

/** Reads what {@linkcode encodeUpdate} wrote; nothing if it is another text. */
export function decodeUpdate(text: string): Update | undefined {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { run, attempt, number, value } = Object(data) as Partial<Update>;
  return typeof run === "string" && Number.isInteger(attempt) &&
      Number.isInteger(number)
    ? { run, attempt: attempt!, number: number!, value }
    : undefined;
}
