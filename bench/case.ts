/**
 * What a case of the benchmark is: something that each subject does in its own
 * way, with figures to compare and counts that must be right.
 *
 * @module
 */
import type { SubjectName } from "./programs.ts";
import type { Site } from "./site.ts";

/** One line of the table. */
export interface Figure {
  /** Which value of a sample. */
  readonly key: string;
  /** What it is, beside the title of its case. */
  readonly label: string;
  readonly unit: "/s" | "ms" | "s" | "µs" | "bytes" | "MB" | "×";
  /** Larger is better, as in rates; otherwise smaller is. */
  readonly higherIsBetter?: boolean;
  readonly target?: Target;
  /** Why a subject that the case measures has no such figure. */
  readonly missing?: string;
}

/** What a figure is to reach. */
export interface Target {
  /** The least if higher is better, otherwise the most, in its unit. */
  readonly value?: number;
  /** At least so many times as good as this peer. */
  readonly bullmq?: number;
  readonly beeQueue?: number;
  /** At least this share of the limit. */
  readonly share?: number;
}

/** Something that was counted after the fact. */
export interface Check {
  readonly what: string;
  readonly expected: number;
  readonly counted: number;
}

/** One measurement of one subject. */
export interface Sample {
  readonly values: Readonly<Record<string, number>>;
  readonly checks: readonly Check[];
}

/** How a subject does it, in one of the rounds that count from 0. */
export type Measurement = (site: Site, round: number) => Promise<Sample>;

/** One thing that is measured. */
export interface Case {
  /** `group/name`, for `--only`. */
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly subjects: Readonly<Partial<Record<SubjectName, Measurement>>>;
  /** Why a subject has no figure. */
  readonly missing?: Readonly<Partial<Record<SubjectName, string>>>;
  /** One round, and none with `--quick`: it takes long. */
  readonly slow?: boolean;
}
