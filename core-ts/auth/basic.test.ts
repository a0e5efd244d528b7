import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import { BASIC_MAX_BYTES, formatBasicChallenge, parseBasicCredentials } from "./basic.ts";

const basic = (bytes: Uint8Array): string => `Basic ${Buffer.from(bytes).toString("base64")}`;
const code = (value: string): string => {
  try {
    parseBasicCredentials(value);
  } catch (thrown) {
    if (thrown instanceof ProtocolFault) return `${thrown.status} ${thrown.code}`;
    throw thrown;
  }
  return "no fault";
};

describe("Basic", () => {
  it("is offered with the realm alone", () => {
    expect(formatBasicChallenge("Porthole")).toBe('Basic realm="Porthole"');
  });

  it("credentials of RFC 7617 section 2 are read", () => {
    expect(parseBasicCredentials("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")).toEqual([
      { name: "Aladdin", password: "open sesame" },
    ]);
  });

  it("credentials of RFC 7617 section 2.1 are read as UTF-8 first, as Latin-1 second", () => {
    expect(parseBasicCredentials("Basic dGVzdDoxMjPCow==")).toEqual([
      { name: "test", password: "123£" },
      { name: "test", password: "123Â£" },
    ]);
  });

  it("credentials that are not UTF-8 are read as Latin-1", () => {
    expect(parseBasicCredentials(basic(Buffer.from("jürgen:größe", "latin1")))).toEqual([
      { name: "jürgen", password: "größe" },
    ]);
  });

  it("end the name at the first colon and keep the others in the password", () => {
    expect(parseBasicCredentials(basic(Buffer.from("a:b:c:")))).toEqual([{ name: "a", password: "b:c:" }]);
  });

  it("may leave out the padding and write the scheme in any case", () => {
    expect(parseBasicCredentials("bASIC  YTpi ")).toEqual([{ name: "a", password: "b" }]);
    expect(parseBasicCredentials("Basic YTpiYw")).toEqual([{ name: "a", password: "bc" }]);
  });

  it.each([
    ["nothing", "Basic", "400 authorization-syntax"],
    ["two texts", "Basic YTpi YTpi", "400 authorization-syntax"],
    ["no base64", "Basic ****", "400 authorization-base64"],
    ["no colon", "Basic YWJj", "400 authorization-syntax"],
  ])("with %s is a fault", (_what, value, expected) => {
    expect(code(value)).toBe(expected);
  });

  it("is read up to its limit and refused past it", () => {
    expect(code(basic(Buffer.from(`a:${"x".repeat(BASIC_MAX_BYTES - 2)}`)))).toBe("no fault");
    expect(code(basic(Buffer.from(`a:${"x".repeat(BASIC_MAX_BYTES - 1)}`)))).toBe("400 authorization-too-long");
    expect(code(`Basic ${"A".repeat(BASIC_MAX_BYTES * 2 + 1)}`)).toBe("400 authorization-too-long");
  });

  it("of arbitrary bytes never does anything but read or refuse", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        code(basic(bytes));
        code(`Basic ${Buffer.from(bytes).toString("latin1")}`);
      }),
      { numRuns: 300 },
    );
  });
});
