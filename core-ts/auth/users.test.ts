import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { USER_NAME_MAX_CHARS, userNameFault, userOf } from "./users.ts";

describe("a login name", () => {
  it.each(["admin", "Jürgen", "a b", "user@example.org", "x".repeat(USER_NAME_MAX_CHARS)])("may be %s", (name) => {
    expect(userNameFault(name)).toBeUndefined();
  });

  it.each([
    ["", "is empty"],
    ["x".repeat(USER_NAME_MAX_CHARS + 1), "is longer than 64 characters"],
    ["a:b", "contains a colon, a double quote or a backslash"],
    ['a"b', "contains a colon, a double quote or a backslash"],
    ["a\\b", "contains a colon, a double quote or a backslash"],
    ["a\nb", "contains a control character"],
    ["a\u007f", "contains a control character"],
  ])("%j %s", (name, expected) => {
    expect(userNameFault(name)).toBe(expected);
  });
});

it("of a password only the HA1 is kept", () => {
  const user = userOf({ name: "u", role: "viewer", realm: "r", password: "p:q" });
  expect(user).toEqual({
    name: "u",
    role: "viewer",
    ha1: {
      md5: createHash("md5").update("u:r:p:q").digest("hex"),
      sha256: createHash("sha256").update("u:r:p:q").digest("hex"),
    },
  });
});
