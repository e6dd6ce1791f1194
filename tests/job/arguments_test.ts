import assert from "node:assert/strict";
import { runInNewContext } from "node:vm";
import { ArgumentError } from "../../src/errors.ts";
import { encodeArguments, whatJsonLoses } from "../../src/job/arguments.ts";

class Account {
  balance = 1;
}

function cycle(): unknown {
  const list: unknown[] = [1];
  list.push({ list });
  return list;
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

const REFUSED: [string, unknown, string][] = [
  ["undefined", undefined, "args[1]: undefined becomes null in JSON"],
  [
    "undefined in a list",
    { a: [1, undefined] },
    "args[1].a[1]: undefined becomes null in JSON",
  ],
  [
    "a hole in a list",
    // deno-lint-ignore no-sparse-arrays
    [1, , 2],
    "args[1][1]: a hole becomes null in JSON",
  ],
  [
    "a huge list of holes",
    new Array(2 ** 32 - 1),
    "args[1][0]: a hole becomes null in JSON",
  ],
  ["NaN", NaN, "args[1]: NaN becomes null in JSON"],
  ["Infinity", [-Infinity], "args[1][0]: -Infinity becomes null in JSON"],
  ["a BigInt", { n: 1n }, "args[1].n: JSON has no bigint"],
  ["a function", { f() {} }, "args[1].f: JSON has no function"],
  ["a symbol", [Symbol("s")], "args[1][0]: JSON has no symbol"],
  [
    "a symbol key",
    { a: { [Symbol("s")]: 1 } },
    "args[1].a[Symbol(s)]: JSON drops symbol keys",
  ],
  [
    "a Date",
    { when: new Date(0) },
    "args[1].when: a Date becomes a string in JSON",
  ],
  ["a Map", new Map(), "args[1]: a Map becomes a plain object in JSON"],
  ["a Set", new Set(), "args[1]: a Set becomes a plain object in JSON"],
  ["a RegExp", /a/, "args[1]: a RegExp becomes a plain object in JSON"],
  [
    "bytes",
    new Uint8Array(2),
    "args[1]: a Uint8Array becomes a plain object in JSON",
  ],
  [
    "a class instance",
    { "my account": new Account() },
    'args[1]["my account"]: an Account becomes a plain object in JSON',
  ],
  [
    "an error",
    new TypeError("no"),
    "args[1]: a TypeError becomes a plain object in JSON",
  ],
  [
    "a boxed number",
    Object(5),
    "args[1]: a Number becomes a bare value in JSON",
  ],
  [
    "inherited properties",
    Object.create({ a: 1 }),
    "args[1]: an Object becomes a plain object in JSON",
  ],
  [
    "a list with properties",
    Object.assign([1], { total: 1 }),
    "args[1].total: JSON drops properties of a list",
  ],
  [
    "a match of a regular expression",
    "ab".match(/b/),
    "args[1].index: JSON drops properties of a list",
  ],
  [
    "a toJSON method",
    [{ toJSON: () => 1 }],
    "args[1][0]: its toJSON method would replace it in JSON",
  ],
  [
    "a cycle",
    cycle(),
    "args[1][1].list: it contains itself, which JSON can't hold",
  ],
  [
    "a getter that throws",
    {
      get secret(): string {
        throw new Error("locked");
      },
    },
    "args[1].secret: it can't be read: locked",
  ],
  [
    "a Date of another realm",
    runInNewContext("new Date(0)"),
    "args[1]: a Date becomes a string in JSON",
  ],
];

for (const [what, value, message] of REFUSED) {
  Deno.test(`${what} is refused with its path`, () => {
    assert.throws(
      () => encodeArguments([0, value]),
      new ArgumentError(`Cannot send ${message}`),
    );
    assert.equal(whatJsonLoses(value, "args[1]"), message);
  });
}

Deno.test("what JSON keeps is sent unchanged", () => {
  const args = [
    null,
    true,
    -1.5e300,
    5e-324,
    9007199254740991,
    "",
    'a"\\\n\u2028\u0000😀\ud800',
    [],
    {},
    [[], {}, { "": [null] }],
    JSON.parse('{"__proto__":{"a":1}}'),
    nested(1001),
  ];
  assert.equal(encodeArguments(args), JSON.stringify(args));
  assert.deepEqual(JSON.parse(encodeArguments(args)), args);
});

Deno.test("no arguments are an empty list", () => {
  assert.equal(encodeArguments([]), "[]");
});

Deno.test("a property that is undefined is dropped, as JSON does", () => {
  assert.equal(encodeArguments([{ a: undefined, b: 1 }]), '[{"b":1}]');
});

Deno.test("minus zero is sent as zero", () => {
  assert.equal(encodeArguments([-0, [-0]]), "[0,[0]]");
});

Deno.test("one object at two places is no cycle", () => {
  const point = { x: 1 };
  assert.equal(encodeArguments([[point, point]]), '[[{"x":1},{"x":1}]]');
});

Deno.test("objects without prototype and of other realms are plain", () => {
  const bare = Object.assign(Object.create(null), { a: 1 });
  const foreign = runInNewContext('({ b: [1, "x"] })');
  assert.equal(encodeArguments([bare, foreign]), '[{"a":1},{"b":[1,"x"]}]');
});

Deno.test("nesting without end is refused, not a crash", () => {
  assert.throws(
    () => encodeArguments([nested(1_000_000)]),
    (error: Error) =>
      error instanceof ArgumentError && error.message.length < 300 &&
      /^Cannot send args\[0\]\[0\].*nested more than 2000 levels deep$/
        .test(error.message),
  );
});

Deno.test("a getter that throws only later is still an ArgumentError", () => {
  let reads = 0;
  const once = {
    get value(): number {
      if (reads++ > 0) throw new Error("gone");
      return 1;
    },
  };
  assert.throws(
    () => encodeArguments([once]),
    new ArgumentError("Cannot send args[0]: it can't be read: gone"),
  );
});

Deno.test("a proxy that was revoked is an ArgumentError", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert.throws(() => encodeArguments([proxy]), ArgumentError);
});
