/**
 * Runs cases in rounds, in which the subjects take turns: so that what slows
 * the machine down for a while slows down all of them.
 *
 * @module
 */
import { deadline } from "../src/time/deadline.ts";
import type { Case, Sample } from "./case.ts";
import type { SubjectName } from "./programs.ts";
import type { Site } from "./site.ts";

/** In the order of the table. */
export const SUBJECTS: readonly SubjectName[] = [
  "mqk",
  "limit",
  "bullmq",
  "beeQueue",
];
const MEASUREMENT_MS = 120_000;

/** All that was measured of one case. */
export interface Measured {
  readonly case: Case;
  readonly samples: Readonly<Partial<Record<SubjectName, Sample[]>>>;
  /** What went wrong; such a subject has no figure. */
  readonly errors: Readonly<Partial<Record<SubjectName, string>>>;
}

/** Measures one case. */
export async function measure(
  site: Site,
  one: Case,
  rounds: number,
  progress: (text: string) => void,
): Promise<Measured> {
  const samples: Partial<Record<SubjectName, Sample[]>> = {};
  const errors: Partial<Record<SubjectName, string>> = {};
  const subjects = SUBJECTS.filter((name) => one.subjects[name] !== undefined);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      // Not always the same one after the same other.
      const subject = subjects[(turn + round) % subjects.length];
      progress(`${one.name}, round ${round + 1} of ${rounds}: ${subject}`);
      if (errors[subject] !== undefined) continue;
      try {
        (samples[subject] ??= []).push(
          await once(site, one, subject, round),
        );
      } catch (error) {
        errors[subject] = error instanceof Error ? error.message : `${error}`;
      }
    }
  }
  return { case: one, samples, errors };
}

async function once(
  site: Site,
  one: Case,
  subject: SubjectName,
  round: number,
): Promise<Sample> {
  await site.clear();
  const sample = one.subjects[subject]!(site, round);
  try {
    return await deadline(sample, MEASUREMENT_MS, `${one.name} of ${subject}`);
  } catch (error) {
    // What it started would disturb the next one.
    for (const process of site.processes) process.kill();
    await sample.catch(() => {});
    throw error;
  }
}
