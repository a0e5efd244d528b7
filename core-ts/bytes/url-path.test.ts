import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import { decodePathSegments, percentDecode } from "./url-path.ts";

describe("percentDecode", () => {
  it("decodes what encodeURIComponent encodes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(!text.includes("\ufffd"));
        expect(percentDecode(encodeURIComponent(text))).toBe(text);
      }),
      { numRuns: 100 },
    );
  });

  it("decodes once", () => {
    expect(percentDecode("%252e")).toBe("%2e");
  });

  it("refuses cut and non-hexadecimal escapes and ill-formed UTF-8", () => {
    for (const part of ["%", "%4", "a%zz", "%-1", "%ff", "%c3x", "%c0%ae"]) expect(percentDecode(part)).toBeUndefined();
  });
});

describe("decodePathSegments", () => {
  it("keeps empty segments, so that a slash at the end is seen", () => {
    expect(decodePathSegments("/a/b%20c/")).toEqual(["a", "b c", ""]);
    expect(decodePathSegments("/")).toEqual([""]);
  });

  it("refuses path tricks in every spelling", () => {
    const tricks = [
      "/..",
      "/a/../b",
      "/.",
      "/%2e%2e/b",
      "/.%2E",
      "/a%2fb",
      "/a%5cb",
      "/a\\b",
      "/a%00",
      "/a%0d%0aX:1",
      "/%7f",
    ];
    for (const path of tricks) {
      expect(() => decodePathSegments(path), path).toThrow(ProtocolFault);
    }
  });

  it("takes names that merely look like tricks", () => {
    expect(decodePathSegments("/..a/%252e%252e/...")).toEqual(["..a", "%2e%2e", "..."]);
  });
});
