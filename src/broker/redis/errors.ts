import { BrokerError } from "../../errors.ts";
import {
  BrokerUnavailableError,
  FencedError,
  MismatchError,
  WrongTypeError,
} from "../broker.ts";

/** The server answered with an error: the command did not run. */
export class ReplyError extends Error {
  override name = "ReplyError";
  /** The first word, as `OOM`. */
  readonly code: string;

  /** @param command Its name, where several were sent together. */
  constructor(
    text: string,
    options?: ErrorOptions,
    readonly command?: string,
  ) {
    super(text, options);
    // Redis 6.2 wraps what a script's command said: "ERR Error running
    // script (call to f_...): @user_script:7: OOM command not allowed ...".
    const inner = /@user_script:\s*\d+:\s*(?:-)?([A-Z]{2,}\b.*)/.exec(text);
    this.code = /^\S+/.exec(
      text.startsWith("ERR Error running script") && inner ? inner[1] : text,
    )?.[0] ?? "";
  }
}

/** The command was never sent: for certain it did not run. */
export class NotSentError extends BrokerUnavailableError {
  override name = "NotSentError";
}

const LATER = new Set([
  "LOADING",
  "BUSY",
  "TRYAGAIN",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "READONLY",
  "NOREPLICAS",
  "UNBLOCKED",
]);

/** Whether the server says that it can't answer now, but another may. */
export function isLater(error: unknown): boolean {
  return error instanceof ReplyError && LATER.has(error.code);
}

/** An error reply as the error that the broker's contract names. */
export function toBrokerError(error: unknown, attempted: string): Error {
  if (!(error instanceof ReplyError)) return error as Error;
  const text = `Cannot ${attempted}: Redis answered "${error.message}"`;
  const options = { cause: error };
  switch (error.code) {
    case "FENCED":
      return new FencedError(text, options);
    case "MISMATCH":
      return new MismatchError(text, options);
    case "WRONGTYPE":
      return new WrongTypeError(text, options);
  }
  if (error.code === "MOVED" || error.code === "CROSSSLOT") {
    return new BrokerError(
      `Cannot ${attempted}: the server belongs to a cluster: use --cluster, ` +
        "or redis+cluster://",
      options,
    );
  }
  return LATER.has(error.code)
    ? new BrokerUnavailableError(text, options)
    : new BrokerError(text, options);
}
