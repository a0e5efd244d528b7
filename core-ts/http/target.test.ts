import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import { isHost, parseTarget } from "./target.ts";

describe("a request target", () => {
  it.each([
    ["/", "/", {}, undefined],
    ["/live/back/mjpeg", "/live/back/mjpeg", {}, undefined],
    ["/Back/", "/Back/", {}, undefined],
    ["/a%20b", "/a b", {}, undefined],
    ["/a+b", "/a+b", {}, undefined],
    ["/?", "/", {}, undefined],
    ["/?a=1&b=&c&a=2&&=x", "/", { a: "1", b: "", c: "", "": "x" }, undefined],
    ["/?a%3D=b%26c+d=e?", "/", { "a=": "b&c d=e?" }, undefined],
    ["/?__proto__=x", "/", JSON.parse('{"__proto__": "x"}'), undefined],
    ["/?path=../..", "/", { path: "../.." }, undefined],
    ["http://phone:8080/a?b", "/a", { b: "" }, "phone:8080"],
    ["HTTP://[::1]:8080", "/", {}, "[::1]:8080"],
    ["https://phone?a=b", "/", { a: "b" }, "phone"],
    ["//phone/a", "//phone/a", {}, undefined],
  ])("%s", (target, path, query, authority) => {
    const parsed = parseTarget(target, "GET");
    expect(parsed).toMatchObject({ path, authority });
    expect([...parsed.query]).toEqual(Object.entries(query));
  });

  it("is a star for OPTIONS only", () => {
    expect(parseTarget("*", "OPTIONS").path).toBe("*");
    expect(() => parseTarget("*", "GET")).toThrow(ProtocolFault);
  });

  it.each([
    "",
    "a",
    "phone:8080",
    "ftp://phone/",
    "http:///a",
    "http://user@phone/",
    "http://ph ne/",
    "/a#b",
    "/a b",
    "/a\u0100",
    "/../etc",
    "/a/%2e%2e/b",
    "/a%2f..",
    "/a\\b",
    "/a%5c",
    "/a%00",
    "/a%0d%0a",
    "/%",
    "/%ff",
    "/?a=%",
    "/?%zz",
  ])("%j ends in 400", (target) => {
    expect(() => parseTarget(target, "GET")).toThrow(expect.objectContaining({ status: 400, fatal: true }));
  });

  it("gives a path without tricks or a ProtocolFault, whatever it holds", () => {
    const hostText = fc.string({ unit: fc.integer({ min: 1, max: 0x100 }).map((code) => String.fromCharCode(code)) });
    const nasty = fc.stringMatching(/^(http:\/\/)?[a-z/?#%.:@\\0-9&=+ -]{0,30}$/);
    fc.assert(
      fc.property(fc.oneof(hostText, nasty), (target) => {
        try {
          const { path } = parseTarget(target, "GET");
          expect(path).toMatch(/^\//);
          expect(path).not.toMatch(/[\x00-\x1f\\]|\/\.\.?(\/|$)/);
        } catch (error) {
          if (!(error instanceof ProtocolFault)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

it("a host has a name or an address, and perhaps a port", () => {
  for (const host of ["", "h", "phone.local:8080", "192.0.2.7", "[2001:db8::7]:80", "h:"])
    expect(isHost(host)).toBe(true);
  for (const host of ["a b", "a/b", "x@h", "h:x", "h:123456", "[::1", "a\u0100", '"']) expect(isHost(host)).toBe(false);
});
