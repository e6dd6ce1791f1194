import { MAX_MESSAGE_BYTES } from "../job/message.ts";

/** How much is kept in one queue before the oldest is removed. */
export interface Limits {
  readonly results: number;
  readonly resultBytes: number;
  readonly resultAgeMs: number;
  readonly failed: number;
  readonly failedAgeMs: number;
  /** Longer messages are never delivered, in bytes. */
  readonly messageBytes: number;
}

export const LIMITS: Limits = {
  results: 1_000_000,
  resultBytes: 256 * 1024 * 1024,
  resultAgeMs: 3_600_000,
  failed: 10_000,
  failedAgeMs: 30 * 86_400_000,
  messageBytes: 4 * MAX_MESSAGE_BYTES,
};
