import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergePatch } from "../core-ts/config/merge-patch.ts";
import { countOf, type Json, mergePatchOf, pathText, valueAt, withPatch, withValue } from "./config-draft.ts";

describe("a configuration under change", () => {
  test("names a key as the server does", () => {
    expect(pathText(["profiles", 2, "width"])).toBe("profiles[2].width");
  });

  test("is changed by path, and the old one stays", () => {
    const before: Json = { rtsp: { port: 7778 } };
    const after = withValue(before, ["rtsp", "udp"], false);
    expect(after).toEqual({ rtsp: { port: 7778, udp: false } });
    expect(before).toEqual({ rtsp: { port: 7778 } });
    expect(valueAt(after, ["rtsp", "udp"])).toBe(false);
    expect(valueAt(after, ["rtsp", "toString"])).toBeUndefined();
  });

  test("loses keys and items that are set to nothing, and makes what is missing", () => {
    expect(withValue({ log: { level: "info" } }, ["log", "level"], undefined)).toEqual({ log: {} });
    expect(withValue({ list: [1, 2, 3] }, ["list", 1], undefined)).toEqual({ list: [1, 3] });
    expect(withValue({}, ["profiles", 0, "path"], "/a")).toEqual({ profiles: [{ path: "/a" }] });
  });

  test("sends what differs, and nothing when nothing does", () => {
    expect(mergePatchOf({ a: 1, b: { c: 1, d: 2 } }, { b: { c: 1, d: 3 } })).toEqual({ a: null, b: { d: 3 } });
    expect(mergePatchOf({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toBeUndefined();
    expect(countOf({ a: null, b: { d: 3, e: [1, 2] } })).toBe(3);
    expect(countOf(undefined)).toBe(0);
  });

  test("arrives at the server as it was left here, and is the same when the patch is applied here", () => {
    // No null: no configuration has one, and a merge patch can't say it.
    const value = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.boolean(),
        fc.integer(),
        fc.string(),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).value;
    const object = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { noNullPrototype: true });
    fc.assert(
      fc.property(object, object, (before, after) => {
        const patch = mergePatchOf(before, after);
        expect(patch === undefined ? before : mergePatch(before, patch)).toEqual(after);
        expect(patch === undefined ? before : withPatch(before, patch)).toEqual(after);
      }),
    );
  });
});
