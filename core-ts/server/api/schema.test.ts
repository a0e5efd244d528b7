import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  check,
  FAULTS_MAX,
  flag,
  integer,
  list,
  nullable,
  number,
  object,
  oneOf,
  record,
  text,
  valueOfText,
} from "./schema.ts";

describe("check", () => {
  const schema = object(
    {
      name: text({ minLength: 1, maxLength: 3, pattern: "^[a-z]+$" }),
      kinds: list(oneOf(["a", "b"]), { maxItems: 2 }),
    },
    {
      size: nullable(integer({ minimum: 1, maximum: 9 })),
      ratio: number({ minimum: 0 }),
      on: flag(),
      more: record(flag()),
    },
  );
  const good = { name: "abc", kinds: ["a"], size: null, ratio: 0.5, on: true, more: { x: false } };

  test("has nothing to say of a value that fits", () => {
    expect(check(schema, good)).toEqual([]);
    expect(check(schema, { name: "a", kinds: [] })).toEqual([]);
  });

  test.each([
    [{ ...good, name: "" }, "name", "must be text of 1 to 3 characters that matches ^[a-z]+$"],
    [{ ...good, name: "abcd" }, "name", "must be text of 1 to 3 characters that matches ^[a-z]+$"],
    [{ ...good, name: "A" }, "name", "must be text of 1 to 3 characters that matches ^[a-z]+$"],
    [{ ...good, kinds: ["a", "c"] }, "kinds[1]", 'must be one of "a", "b"'],
    [{ ...good, kinds: ["a", "a", "a"] }, "kinds", "must have at most 2 items"],
    [{ ...good, kinds: {} }, "kinds", "must be a list"],
    [{ ...good, size: 0 }, "size", "must be a whole number from 1 to 9 or null"],
    [{ ...good, size: 1.5 }, "size", "must be a whole number from 1 to 9 or null"],
    [{ ...good, ratio: -1 }, "ratio", "must be a number of at least 0"],
    [{ ...good, ratio: null }, "ratio", "must be a number of at least 0"],
    [{ ...good, on: "true" }, "on", "must be true or false"],
    [{ ...good, more: { y: 1 } }, "more.y", "must be true or false"],
    [{ ...good, wrong: 1 }, "wrong", "is no key here; there are name, kinds, size, ratio, on, more"],
    [{ kinds: [] }, "name", "is missing; it must be text of 1 to 3 characters that matches ^[a-z]+$"],
    [[], "", "must be an object"],
  ])("%j", (value, path, message) => expect(check(schema, value)).toEqual([{ path, message }]));

  test("counts characters, not halves of them", () => {
    expect(check(text({ maxLength: 1 }), "😀")).toEqual([]);
  });

  test("keys that every object inherits are no keys of it", () => {
    for (const key of ["constructor", "toString", "__proto__"]) {
      const value = JSON.parse(`{"${key}": 1}`) as unknown;
      expect(check(object({}), value)).toEqual([{ path: key, message: "is no key here; there are none" }]);
      expect(check(object({ [key]: integer() }), {})).toHaveLength(1);
    }
  });

  test("stops counting faults", () => {
    expect(check(list(flag()), new Array(1000).fill(1))).toHaveLength(FAULTS_MAX);
  });

  test("takes any value without throwing", () => {
    fc.assert(fc.property(fc.anything(), (value) => void check(schema, value)));
  });
});

describe("valueOfText", () => {
  test("reads a parameter as its schema means it", () => {
    expect(["7", "-7", "7.0", "", " 7", "1e3", "0x7"].map((given) => valueOfText(integer(), given))).toEqual([
      7,
      -7,
      ...new Array(5).fill(undefined),
    ]);
    expect(["7", "-7.5", "7.", "NaN"].map((given) => valueOfText(number(), given))).toEqual([
      7,
      -7.5,
      undefined,
      undefined,
    ]);
    expect(["true", "false", "1"].map((given) => valueOfText(flag(), given))).toEqual([true, false, undefined]);
    expect(valueOfText(text(), "7")).toBe("7");
  });
});
