import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergePatch } from "./merge-patch.ts";

describe("a merge patch", () => {
  // RFC 7396, appendix A.
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', "{}"],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', "null", "null"],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
    ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])("of %s with %s is %s", (target, patch, result) => {
    expect(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch)))).toBe(result);
  });

  it("applied twice is as applied once", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
        const once = mergePatch(target, patch);
        expect(JSON.stringify(mergePatch(once, patch))).toBe(JSON.stringify(once));
      }),
      { numRuns: 200 },
    );
  });

  it("changes neither argument, and gives no object a prototype", () => {
    const target = JSON.parse('{"a":{"b":1}}');
    const patch = JSON.parse('{"a":{"c":2},"__proto__":{"polluted":true}}');
    const merged = mergePatch(target, patch) as Record<string, unknown>;
    expect(JSON.stringify([target, patch])).toBe('[{"a":{"b":1}},{"a":{"c":2},"__proto__":{"polluted":true}}]');
    expect(Object.getPrototypeOf(merged)).toBeNull();
    expect("polluted" in {}).toBe(false);
  });
});
