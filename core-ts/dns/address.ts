/**
 * IP addresses as text and as bytes (RFC 4291 section 2.2, RFC 5952). Row 1.
 */
import { byteAt, uint16At } from "../bytes/text.ts";

/** Four bytes, or undefined for what is no IPv4 address. */
export function ipv4Bytes(address: string): number[] | undefined {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address)) return undefined;
  const bytes = address.split(".").map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

/** @param bytes host text of four. */
export function ipv4Text(bytes: string): string {
  return [0, 1, 2, 3].map((index) => byteAt(bytes, index)).join(".");
}

/** Sixteen bytes, or undefined for what is no IPv6 address; IPv4 at its end is not read. */
export function ipv6Bytes(address: string): number[] | undefined {
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const given = [...head!, ...(tail ?? [])];
  const missing = 8 - given.length;
  if (!given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head!, ...Array.from({ length: missing }, () => "0"), ...(tail ?? [])];
  return groups.map((group) => Number.parseInt(group, 16)).flatMap((value) => [value >> 8, value & 0xff]);
}

/** @param bytes host text of sixteen. */
export function ipv6Text(bytes: string): string {
  const groups = Array.from({ length: 8 }, (_, index) => uint16At(bytes, index * 2));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > length) {
      start = i;
      length = run;
    }
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** How many bits two addresses of one family have in common at their beginning; -1 for two families. */
export function commonBits(a: string, b: string): number {
  const [x, y] = [a, b].map((address) => ipv4Bytes(address) ?? ipv6Bytes(address));
  if (x === undefined || y === undefined || x.length !== y.length) return -1;
  const differing = x.findIndex((byte, index) => byte !== y[index]);
  if (differing < 0) return x.length * 8;
  return differing * 8 + Math.clz32(x[differing]! ^ y[differing]!) - 24;
}
