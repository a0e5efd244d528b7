import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JSON_MAX_CHARS, JSON_MAX_DEPTH, JsonFault, parseJson } from "./json.ts";

const fault = (text: string): string => {
  try {
    parseJson(text);
  } catch (thrown) {
    if (thrown instanceof JsonFault) return `${thrown.line}:${thrown.column} ${thrown.message}`;
    throw thrown;
  }
  return "none";
};

describe("JSON", () => {
  it("of every kind is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.nat(3), (text, indent) => {
        const value = JSON.parse(text);
        expect(parseJson(JSON.stringify(value, null, indent))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it("is taken and refused where JSON.parse takes and refuses, but for keys that stand twice", () => {
    const piece = fc.constantFrom(
      ..."{}[],:\"\\ \n\t0123456789-+.eEtrufalsn/'".split(""),
      "true",
      "null",
      '"a"',
      '"b":',
      "1.5e-3",
      "\\u00e4",
      "[1,",
      "{}",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = pieces.join("");
        let expected = true;
        try {
          JSON.parse(text);
        } catch {
          expected = false;
        }
        const found = fault(text);
        if (!found.endsWith("this key stands twice in its object"))
          expect([text, found === "none"]).toEqual([text, expected]);
      }),
      { numRuns: 3_000 },
    );
  });

  it("may begin with a byte order mark", () => {
    expect(parseJson('\ufeff{"a": 1}')).toEqual({ a: 1 });
  });

  it("keeps __proto__ as a plain key that changes no prototype", () => {
    const value = parseJson('{"__proto__": {"x": 1}}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(value.x).toBeUndefined();
  });

  it.each([
    ["", "1:1 a value must stand here, but the text ends"],
    ["\n\n  ", "3:3 a value must stand here, but the text ends"],
    ["{} {}", "1:4 something follows the end of the value"],
    ['{"a": 1,}', '1:8 a comma before "}"; remove it'],
    ["[1,\n2\n, ]", '3:1 a comma before "]"; remove it'],
    ["[1 2]", '1:4 a comma or "]" must stand here'],
    ['{"a": 1\n "b": 2}', '2:2 a comma or "}" must stand here'],
    ['{"a" 1}', "1:6 a colon must stand here"],
    ["{a: 1}", "1:2 a key in double quotes must stand here"],
    ["{'a': 1}", "1:2 a key in double quotes must stand here; JSON takes double quotes only"],
    ["{\n  // port\n}", "2:3 a key in double quotes must stand here; JSON has no comments"],
    ["[01]", "1:3 a number that is not JSON's"],
    ["[1.]", "1:3 a number that is not JSON's"],
    ["[+1]", "1:2 a value must stand here"],
    ["[True]", "1:2 a value must stand here"],
    ['{"a": "secret\n"}', "1:7 this text has no end on its line, or an escape that JSON does not know"],
    ['["\\x"]', "1:2 this text has no end on its line, or an escape that JSON does not know"],
    ['{"a": 1, "b": 2,\n "\\u0061": 3}', "2:2 this key stands twice in its object"],
  ])("%j is refused with line and column", (text, expected) => {
    expect(fault(text)).toBe(expected);
  });

  it("is read up to its limits and refused past them", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(fault(nested(JSON_MAX_DEPTH))).toBe("none");
    expect(fault(nested(JSON_MAX_DEPTH + 1))).toBe(`1:17 nested deeper than ${JSON_MAX_DEPTH} levels`);
    expect(fault(`"${"x".repeat(JSON_MAX_CHARS - 2)}"`)).toBe("none");
    expect(fault(`"${"x".repeat(JSON_MAX_CHARS - 1)}"`)).toMatch(/^1:1 262145 characters/);
  });
});
