import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Decoder } from "npm:@redis/client@6.3.1/dist/lib/RESP/decoder.js";
import encoder from "npm:@redis/client@6.3.1/dist/lib/RESP/encoder.js";
import { ReplyError } from "../../src/broker/redis/errors.ts";
import {
  encode,
  type Reply,
  ReplyReader,
} from "../../src/broker/redis/resp.ts";

const TEXTS = ["", "a", "ünïcödé", "😀".repeat(3), "\r\n", "\ufeffx", "\0\x7f"];

/** All kinds of replies, some within others. */
const REPLIES = [
  "+OK\r\n",
  "-ERR no\r\n",
  "-NOPERM ü\r\n",
  "!6\r\nERR ü\r\n",
  ":0\r\n:-12\r\n:9007199254740991\r\n",
  ",1.5\r\n,-2\r\n,1e3\r\n,inf\r\n,-inf\r\n",
  "#t\r\n#f\r\n_\r\n",
  "(12345678901234567890\r\n",
  "$-1\r\n*-1\r\n",
  ...TEXTS.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`),
  "=7\r\ntxt:a,b\r\n",
  "*0\r\n",
  "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n-ERR in it\r\n",
  "~2\r\n+a\r\n+b\r\n",
  "%2\r\n$1\r\nk\r\n*1\r\n:1\r\n+l\r\n_\r\n",
  "%0\r\n",
  ">3\r\n+message\r\n$1\r\nc\r\n$3\r\n€\r\n",
  ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
  `$70000\r\n${"x".repeat(70_000)}\r\n`,
];

/** What was heard, as text: errors are no data. */
interface Heard {
  readonly kind: "reply" | "push";
  readonly what: string;
}

function heard(kind: Heard["kind"], value: unknown): Heard {
  const what = JSON.stringify(value, (_, one) => {
    if (one instanceof Error) return { error: one.message };
    if (typeof one === "bigint") return { integer: String(one) };
    // The library leaves texts of pushes as bytes.
    if (one?.type === "Buffer") return Buffer.from(one.data).toString();
    return one === Infinity || one === -Infinity ? { infinite: one > 0 } : one;
  });
  return { kind, what };
}

function readAll(chunks: readonly Uint8Array[]): Heard[] {
  const all: Heard[] = [];
  const reader = new ReplyReader({
    reply: (reply) => all.push(heard("reply", reply)),
    push: (items) => all.push(heard("push", items)),
  });
  for (const chunk of chunks) reader.read(chunk);
  return all;
}

/** The same by the Redis library. */
function readByLibrary(bytes: Uint8Array): Heard[] {
  const all: Heard[] = [];
  const reply = (value: unknown) => void all.push(heard("reply", value));
  const decoder = new Decoder({
    onReply: reply,
    onErrorReply: reply,
    onPush: (value: unknown) => void all.push(heard("push", value)),
    getTypeMapping: () => ({}),
  });
  decoder.write(Buffer.from(bytes));
  return all;
}

/** Cuts bytes at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  return [0, ...places].map((from, i) => bytes.slice(from, places[i]));
}

Deno.test("resp: replies are read as the Redis library reads them", () => {
  for (const reply of [...REPLIES, REPLIES.join("")]) {
    const bytes = new TextEncoder().encode(reply);
    const expected = readByLibrary(bytes);
    assert.ok(expected.length > 0);
    assert.deepEqual(readAll([bytes]), expected);
  }
});

Deno.test("resp: it does not matter where the stream is cut", () => {
  const short = REPLIES.slice(0, -1).join("");
  const bytes = new TextEncoder().encode(short);
  const expected = readAll([bytes]);
  for (let at = 1; at < bytes.length; at++) {
    assert.deepEqual(readAll(cut(bytes, [at])), expected, `cut at ${at}`);
  }
  const single = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1);
  assert.deepEqual(readAll(cut(bytes, single)), expected);
  const long = new TextEncoder().encode(REPLIES.join(""));
  for (const size of [7, 1000, 16_384, 69_999]) {
    const places = Array.from(
      { length: Math.floor((long.length - 1) / size) },
      (_, i) => (i + 1) * size,
    );
    assert.deepEqual(readAll(cut(long, places)), readAll([long]));
  }
});

Deno.test("resp: what describes a reply is left out, the reply is not", () => {
  const text =
    "|1\r\n+key\r\n%1\r\n+a\r\n:1\r\n*2\r\n|1\r\n+k\r\n+v\r\n:1\r\n:2\r\n";
  assert.deepEqual(readAll([new TextEncoder().encode(text)]), [
    { kind: "reply", what: "[1,2]" },
  ]);
});

Deno.test("resp: bytes that are no UTF-8 spoil their own text only", () => {
  const bytes = Uint8Array.from([
    ...new TextEncoder().encode("*2\r\n$2\r\n"),
    ...[0xff, 0xc3],
    ...new TextEncoder().encode("\r\n$3\r\n€\r\n+OK\r\n"),
  ]);
  assert.deepEqual(readAll([bytes]), [
    { kind: "reply", what: '["\ufffd\ufffd","€"]' },
    { kind: "reply", what: '"OK"' },
  ]);
});

Deno.test("resp: what is no RESP3 is an error", () => {
  const reader = new ReplyReader({ reply: () => {}, push: () => {} });
  assert.throws(
    () => reader.read(new TextEncoder().encode("HTTP/1.1 400\r\n")),
    /does not speak RESP3: "H"/,
  );
});

Deno.test("resp: an error reply keeps the server's words", () => {
  const replies: Reply[] = [];
  const reader = new ReplyReader({
    reply: (reply) => replies.push(reply),
    push: () => {},
  });
  reader.read(new TextEncoder().encode("-WRONGTYPE a\r\n"));
  assert.ok(replies[0] instanceof ReplyError);
  assert.equal(replies[0].message, "WRONGTYPE a");
});

Deno.test("resp: commands are written as the Redis library writes them", () => {
  const commands = [["PING"], ["SET", "k", ...TEXTS], ["GET", "\ud800"]];
  for (const some of [...commands.map((one) => [one]), commands]) {
    const expected = some.flatMap((command) => encoder.default(command)).join(
      "",
    );
    assert.deepEqual(encode(some), new TextEncoder().encode(expected));
  }
});
