import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { hmacSha256Hex, md5Hex, sameInConstantTime, sha256Hex } from "./hash.ts";

it("MD5 is that of RFC 1321 section A.5", () => {
  expect(md5Hex("")).toBe("d41d8cd98f00b204e9800998ecf8427e");
  expect(md5Hex("message digest")).toBe("f96b697d7cb7938d525a2f31aaf161d0");
});

it("SHA-256 is that of FIPS 180-4's example", () => {
  expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

it("all hashes agree with an independent implementation on any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
      expect(md5Hex(text)).toBe(createHash("md5").update(text, "utf8").digest("hex"));
      expect(sha256Hex(text)).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
      const key = new Uint8Array(32).fill(7);
      expect(hmacSha256Hex(key, text)).toBe(createHmac("sha256", key).update(text, "utf8").digest("hex"));
    }),
    { numRuns: 100 },
  );
});

it("texts are the same only when all of them is", () => {
  expect(sameInConstantTime("", "")).toBe(true);
  expect(sameInConstantTime("abc", "abc")).toBe(true);
  expect(sameInConstantTime("abc", "abd")).toBe(false);
  expect(sameInConstantTime("bbc", "abc")).toBe(false);
  expect(sameInConstantTime("abc", "abcd")).toBe(false);
});
