import { describe, expect, test } from "vitest";
import { ConfigFault } from "../errors.ts";
import { maskSecrets } from "./secrets.ts";
import { sealPasswords, writtenOf } from "./written.ts";

const ha1Of = (name: string, password: string) => ({ md5: `${name}+${password}` });

describe("a file that is taken over", () => {
  test("keeps the HA1 in place of a password, and everything else as it stands", () => {
    const written = writtenOf(
      '{"rtsp":{"port":9},"users":[{"name":"anna","password":"x"},{"name":"ben","ha1":{"md5":"f"}}]}',
      {},
    );
    expect(sealPasswords(written, ha1Of)).toEqual({
      rtsp: { port: 9 },
      users: [
        { name: "anna", ha1: { md5: "anna+x" } },
        { name: "ben", ha1: { md5: "f" } },
      ],
    });
  });

  test("comes back with masks and means what it meant", () => {
    const sealed = sealPasswords(writtenOf('{"users":[{"name":"anna","password":"x","role":"viewer"}]}', {}), ha1Of);
    const masked = JSON.stringify(maskSecrets(sealed));
    expect(masked).not.toContain("anna+x");
    expect(writtenOf(masked, sealed)).toEqual(sealed);
  });

  test("is refused by key where a mask stands for nothing, and shows no other value", () => {
    const text = '{"users":[{"name":"anna","password":"********"},{"name":"ben","password":"hush hush"}]}';
    expect(() => writtenOf(text, {})).toThrow(ConfigFault);
    expect(() => writtenOf(text, {})).toThrow(/^users\[0\]\.password: is masked, but nothing is kept for it/);
    expect(() => writtenOf(text, {})).not.toThrow(/hush/);
  });

  test("is refused by line and column where it is no JSON", () => {
    expect(() => writtenOf('{\n  "rtsp": ]', {})).toThrow(/^2:11: not JSON/);
  });

  test.each(["null", "[]", '{"users":7}', '{"users":[7,{"name":1,"password":"x"}]}'])(
    "leaves %s to the schema",
    (text) => {
      const written = writtenOf(text, {});
      expect(sealPasswords(written, ha1Of)).toEqual(written);
    },
  );
});
