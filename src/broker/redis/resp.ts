/**
 * The wire protocol of Redis: commands as bytes, and bytes as replies.
 *
 * It is RESP3, https://redis.io/docs/latest/develop/reference/protocol-spec/,
 * read and written without a call into the runtime for each text: jobs are many
 * and short.
 *
 * @module
 */
import { ReplyError } from "./errors.ts";

/** What a server answers; a map is an object. */
export type Reply =
  | string
  | number
  | bigint
  | boolean
  | null
  | ReplyError
  | Reply[]
  | { [key: string]: Reply };

const NOTHING = new Uint8Array();
/** What is shorter is read faster than by the runtime's decoder. */
const SHORT_BYTES = 32;
const ASCII = Array.from({ length: 128 }, (_, i) => String.fromCharCode(i));
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Commands as bytes, in their order. */
export function encode(commands: readonly (readonly string[])[]): Uint8Array {
  const text = print(commands, (argument) => argument.length);
  const bytes = encoder.encode(text);
  // Then each character is one byte, and all lengths are right.
  if (bytes.length === text.length) return bytes;
  return encoder.encode(
    print(commands, (argument) => encoder.encode(argument).length),
  );
}

function print(
  commands: readonly (readonly string[])[],
  bytesOf: (argument: string) => number,
): string {
  let text = "";
  for (const command of commands) {
    text += `*${command.length}\r\n`;
    for (const argument of command) {
      text += `$${bytesOf(argument)}\r\n${argument}\r\n`;
    }
  }
  return text;
}

/** Hears of each reply that is complete. */
export interface ReplyListener {
  reply(reply: Reply): void;
  /** Something that answers no command. */
  push(items: Reply[]): void;
}

/** An array, map or push of which not all items have come. */
interface OpenReply {
  readonly type: string;
  readonly items: Reply[];
  readonly size: number;
}

/** One element of the stream is not there in full. */
const INCOMPLETE = Symbol("incomplete");
/** An element was read whose items follow. */
const OPENED = Symbol("opened");

/** Reads replies from what a connection receives, however it is cut. */
export class ReplyReader {
  readonly #listener: ReplyListener;
  readonly #open: OpenReply[] = [];
  /** What has come of an element that is not complete, and how much it needs. */
  #rest: Uint8Array[] = [];
  #restLength = 0;
  #needed = 0;
  // Of the bytes that are read at this moment:
  #bytes: Uint8Array = NOTHING;
  #text = "";
  #isAscii = true;
  #at = 0;

  constructor(listener: ReplyListener) {
    this.#listener = listener;
  }

  /**
   * Reads on.
   *
   * @param chunk May be overwritten after this.
   * @throws {Error} If that is not RESP3: nothing can be read any more.
   */
  read(chunk: Uint8Array): void {
    this.#restLength += chunk.length;
    if (this.#restLength < this.#needed) {
      this.#rest.push(new Uint8Array(chunk));
      return;
    }
    this.#bytes = this.#rest.length === 0
      ? chunk
      : joined([...this.#rest, chunk]);
    // One character a byte, so that both have the same places.
    const text = asciiOf(this.#bytes);
    this.#isAscii = text !== undefined;
    this.#text = text ?? latin1(this.#bytes);
    this.#at = 0;
    this.#needed = 0;
    while (this.#at < this.#bytes.length) {
      const element = this.#element();
      if (element === INCOMPLETE) break;
      if (element !== OPENED) this.#deliver(element);
    }
    this.#restLength = this.#bytes.length - this.#at;
    if (this.#restLength > 0) {
      // Copied: `slice` of a Buffer would not.
      this.#rest = [new Uint8Array(this.#bytes.subarray(this.#at))];
    } else if (this.#rest.length > 0) this.#rest = [];
    this.#bytes = NOTHING;
    this.#text = "";
  }

  #element(): Reply | typeof INCOMPLETE | typeof OPENED {
    const text = this.#text;
    const from = this.#at + 1;
    const lineEnd = text.indexOf("\r\n", from);
    if (lineEnd === -1) return INCOMPLETE;
    const next = lineEnd + 2;
    const type = text[this.#at];
    switch (type) {
      case "$":
      case "=":
      case "!": {
        const length = integer(text, from, lineEnd);
        const end = next + Math.max(0, length);
        if (length >= 0 && end + 2 > text.length) {
          this.#needed = end + 2 - this.#at;
          return INCOMPLETE;
        }
        this.#at = length < 0 ? next : end + 2;
        if (length < 0) return null;
        const value = this.#string(next, end);
        // `txt:` or `mkd:` stands in front of a verbatim text.
        if (type === "=") return value.slice(4);
        return type === "!" ? new ReplyError(value) : value;
      }
      case "*":
      case "~":
      case ">":
      case "%":
      case "|": {
        const count = integer(text, from, lineEnd);
        this.#at = next;
        if (count < 0) return null;
        const size = type === "%" || type === "|" ? 2 * count : count;
        this.#open.push({ type, items: [], size });
        if (size === 0) this.#close();
        return OPENED;
      }
    }
    this.#at = next;
    switch (type) {
      case ":":
        return integer(text, from, lineEnd);
      case "+":
        return this.#string(from, lineEnd);
      case "_":
        return null;
      case ",":
        return double(text.slice(from, lineEnd));
      case "#":
        return text[from] === "t";
      case "-":
        return new ReplyError(this.#string(from, lineEnd));
      case "(":
        return BigInt(text.slice(from, lineEnd));
    }
    throw new Error(`the server does not speak RESP3: ${JSON.stringify(type)}`);
  }

  #string(from: number, to: number): string {
    return this.#isAscii
      ? this.#text.slice(from, to)
      : decoder.decode(this.#bytes.subarray(from, to));
  }

  #deliver(reply: Reply): void {
    const open = this.#open.at(-1);
    if (open === undefined) return this.#listener.reply(reply);
    open.items.push(reply);
    if (open.items.length === open.size) this.#close();
  }

  /** All items of the innermost open reply have come. */
  #close(): void {
    const { type, items } = this.#open.pop()!;
    switch (type) {
      case ">":
        return this.#listener.push(items);
      case "%":
        return this.#deliver(toObject(items));
      case "|":
        // Says something of the reply that follows; nobody asks for it.
        return;
    }
    this.#deliver(items);
  }
}

function integer(text: string, from: number, to: number): number {
  const isNegative = text[from] === "-";
  let number = 0;
  for (let at = isNegative ? from + 1 : from; at < to; at++) {
    number = 10 * number + text.charCodeAt(at) - 48;
  }
  return isNegative ? -number : number;
}

function double(text: string): number {
  switch (text) {
    case "inf":
      return Infinity;
    case "-inf":
      return -Infinity;
  }
  return Number(text);
}

function toObject(items: readonly Reply[]): { [key: string]: Reply } {
  const object: { [key: string]: Reply } = Object.create(null);
  for (let i = 0; i < items.length; i += 2) {
    object[String(items[i])] = items[i + 1];
  }
  return object;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The bytes as text, if all are ASCII. */
function asciiOf(bytes: Uint8Array): string | undefined {
  if (bytes.length > SHORT_BYTES) {
    const text = decoder.decode(bytes);
    return text.length === bytes.length ? text : undefined;
  }
  let text = "";
  for (const byte of bytes) {
    if (byte > 127) return undefined;
    text += ASCII[byte];
  }
  return text;
}

/** Each byte as the character with its number. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}
