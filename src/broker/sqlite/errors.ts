import { BrokerError } from "../../errors.ts";
import { BrokerUnavailableError } from "../broker.ts";

/** Whether another connection has the lock that was wanted. */
export function isLocked(error: unknown): boolean {
  return isSqliteError(error) &&
    /\blocked\b|locking protocol/.test(error.message);
}

/** Whether SQLite says that something went wrong, and not we. */
export function isSqliteError(error: unknown): error is Error {
  return error instanceof Error &&
    (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}

/**
 * What SQLite said, as the error that the broker's contract names. Nothing is
 * uncertain in an embedded store: what failed did not happen.
 */
export function toBrokerError(
  error: unknown,
  attempted: string,
  path: string,
): Error {
  if (isLocked(error)) {
    return new BrokerUnavailableError(
      `Cannot ${attempted}: ${path} is locked by another process`,
      { cause: error },
    );
  }
  if (isSqliteError(error)) {
    return new BrokerError(`Cannot ${attempted}: ${path}: ${error.message}`, {
      cause: error,
    });
  }
  return error as Error;
}
