/**
 * The loggers of MQK. A program that uses the library sees nothing of them
 * until it configures LogTape.
 *
 * @module
 */
import { getLogger, type Logger } from "npm:@logtape/logtape@2.4.2";

export {
  configureSync,
  type LogRecord,
  resetSync,
  type Sink,
} from "npm:@logtape/logtape@2.4.2";

/** Processes that start and end; the command prints its `info` as NOTICE. */
export const lifecycleLog: Logger = getLogger(["mqk", "lifecycle"]);
/** Jobs that start, end, or are handed back. */
export const jobLog: Logger = getLogger(["mqk", "job"]);
/** Commands to the broker, and what an operator should know about it. */
export const brokerLog: Logger = getLogger(["mqk", "broker"]);
