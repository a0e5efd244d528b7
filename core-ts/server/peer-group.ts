/**
 * Whom limits count as one peer. Row 3.
 *
 * An IPv4 address is one. Of IPv6 a whole /64 is one: it is the least that a network gives to anybody, and whoever has one has
 * 2^64 addresses. Link-local addresses (fe80::/10, RFC 4291 section 2.5.6) share their /64 with everybody on the link, so there
 * each counts by itself.
 */
import { ipv6Bytes } from "../dns/address.ts";

const GROUP_BYTES = 8;

/** @param address numeric, as hosts give it; what can't be read counts by itself. */
export function peerGroup(address: string): string {
  if (!address.includes(":")) return address;
  const bytes = ipv6Bytes(address);
  if (bytes === undefined || (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80)) return address;
  const groups: string[] = [];
  for (let at = 0; at < GROUP_BYTES; at += 2) groups.push(((bytes[at]! << 8) | bytes[at + 1]!).toString(16));
  return `${groups.join(":")}::/64`;
}
