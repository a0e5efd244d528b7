import { describe, expect, it } from "vitest";
import { formatSession, parseSession, SESSION_ID_MAX } from "./session-header.ts";

describe("the Session header", () => {
  it("is read without the timeout that clients echo", () => {
    expect(parseSession("0a1b2c")).toBe("0a1b2c");
    expect(parseSession("0a1b2c;timeout=60")).toBe("0a1b2c");
    expect(parseSession(" 0a1b2c ; timeout=60")).toBe("0a1b2c");
  });

  it("is none of ours when it is empty, too long or holds other characters", () => {
    for (const value of ["", ";timeout=60", "a b", "a,b", '"a"', "ä", "a\u0000"]) {
      expect(parseSession(value), value).toBeUndefined();
    }
    expect(parseSession("a".repeat(SESSION_ID_MAX))).toBeDefined();
    expect(parseSession("a".repeat(SESSION_ID_MAX + 1))).toBeUndefined();
  });

  it("is written with the timeout", () => {
    expect(formatSession("0a1b2c", 60)).toBe("0a1b2c;timeout=60");
    expect(parseSession(formatSession("0a1b2c", 60))).toBe("0a1b2c");
  });

  it("is never written with dashes, which confuse some clients", () => {
    expect(() => formatSession("0a-1b", 60)).toThrow();
  });
});
