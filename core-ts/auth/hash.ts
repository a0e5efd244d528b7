/**
 * The hashes HTTP authentication is made of (RFC 7616 section 3.2), over UTF-8 text. Row 1.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { md5 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hex, utf8Bytes } from "../bytes/text.ts";

/** The digest algorithms spoken here (RFC 7616 section 6.1). */
export type HashAlgorithm = "MD5" | "SHA-256";

/** MD5 of the text's UTF-8 bytes: 32 lower-case hexadecimal digits. */
export function md5Hex(text: string): string {
  return hex(md5(bytesOf(text)));
}

/** SHA-256 of the text's UTF-8 bytes: 64 lower-case hexadecimal digits. */
export function sha256Hex(text: string): string {
  return hex(sha256(bytesOf(text)));
}

/** RFC 7616's `H(data)`. */
export function hashHex(algorithm: HashAlgorithm, text: string): string {
  return algorithm === "MD5" ? md5Hex(text) : sha256Hex(text);
}

/** HMAC-SHA-256 (RFC 2104) of the text's UTF-8 bytes: 64 lower-case hexadecimal digits. */
export function hmacSha256Hex(key: Uint8Array, text: string): string {
  return hex(hmac(sha256, key, bytesOf(text)));
}

/** Whether two texts are the same, in a time that depends on their lengths only. */
export function sameInConstantTime(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

/** `utf8Bytes` makes the Int8Array that hosts take; the hashes insist on a Uint8Array over the same bytes. */
function bytesOf(text: string): Uint8Array {
  return new Uint8Array(utf8Bytes(text).buffer);
}
