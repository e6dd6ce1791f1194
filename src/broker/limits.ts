import { MAX_MESSAGE_BYTES } from "../job/message.ts";

/** How much is kept in one queue before the oldest is removed. */
export interface Limits {
  readonly results: number;
  readonly resultBytes: number;
  readonly resultAgeMs: number;
  readonly failed: number;
  readonly failedAgeMs: number;
  /** Updates of one job, and how long after the last one they stay. */
  readonly updates: number;
  readonly updateAgeMs: number;
  /** Longer messages are never delivered, in bytes. */
  readonly messageBytes: number;
}

export const LIMITS: Limits = {
  results: 1_000_000,
  resultBytes: 256 * 1024 * 1024,
  resultAgeMs: 3_600_000,
  failed: 10_000,
  failedAgeMs: 30 * 86_400_000,
  updates: 1000,
  updateAgeMs: 3_600_000,
  messageBytes: 4 * MAX_MESSAGE_BYTES,
};
