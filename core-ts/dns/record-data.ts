/**
 * What a resource record says, by its type. Row 1.
 *
 *     A     4 bytes (RFC 1035 section 3.4.1)          AAAA  16 bytes (RFC 3596 section 2.2)
 *     PTR   name (RFC 1035 section 3.3.12)            TXT   length | bytes, any number of them (section 3.3.14)
 *     SRV   priority u16 | weight u16 | port u16 | name (RFC 2782)
 *     NSEC  next name | window, length, bit map … (RFC 4034 section 4.1; RFC 6762 section 6.1 uses window 0 alone)
 */
import { byteAt, textOfBytes, uint16At } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import { ipv4Bytes, ipv4Text, ipv6Bytes, ipv6Text } from "./address.ts";
import { type DnsName, decodeName } from "./name.ts";
import { DnsWriter } from "./writer.ts";

export const RecordType = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, NSEC: 47, ANY: 255 } as const;

export type RecordData =
  | { readonly type: typeof RecordType.A; readonly address: string }
  | { readonly type: typeof RecordType.AAAA; readonly address: string }
  | { readonly type: typeof RecordType.PTR; readonly target: DnsName }
  /** Host text of each string, at most 255 bytes. */
  | { readonly type: typeof RecordType.TXT; readonly strings: readonly string[] }
  | {
      readonly type: typeof RecordType.SRV;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: DnsName;
    }
  /** Types below 256, ascending. */
  | { readonly type: typeof RecordType.NSEC; readonly next: DnsName; readonly types: readonly number[] }
  | OtherData;

/** A type that nobody here knows: its bytes as host text. */
export type OtherData = { readonly type: number; readonly bytes: string };

export function isOther(data: RecordData): data is OtherData {
  return "bytes" in data;
}

/** @param compress names in SRV too: Multicast DNS does, answers to ordinary resolvers must not (RFC 6762 section 18.14). */
export function encodeRecordData(writer: DnsWriter, data: RecordData, compress: boolean): void {
  if (isOther(data)) return writer.raw(hostBytes(data.bytes));
  switch (data.type) {
    case RecordType.A:
      return writer.raw(ipv4Bytes(data.address) ?? bug(data.address));
    case RecordType.AAAA:
      return writer.raw(ipv6Bytes(data.address) ?? bug(data.address));
    case RecordType.PTR:
      return writer.name(data.target, compress);
    case RecordType.TXT:
      // No strings is one empty one (RFC 6763 section 6.1).
      for (const text of data.strings.length === 0 ? [""] : data.strings) {
        writer.u8(text.length);
        writer.raw(hostBytes(text));
      }
      return;
    case RecordType.SRV:
      writer.u16(data.priority);
      writer.u16(data.weight);
      writer.u16(data.port);
      return writer.name(data.target, compress);
    case RecordType.NSEC: {
      writer.name(data.next, compress);
      const map = new Uint8Array(32);
      for (const type of data.types) map[type >> 3] = map[type >> 3]! | (0x80 >> (type & 7));
      const length = map.findLastIndex((byte) => byte !== 0) + 1;
      if (length === 0) return;
      writer.u8(0);
      writer.u8(length);
      return writer.raw(map.subarray(0, length));
    }
  }
}

/** @param message host text of the whole message, since names point about in it. @throws ProtocolFault */
export function decodeRecordData(message: string, type: number, at: number, length: number): RecordData {
  const end = at + length;
  const wholeName = (from: number): DnsName => {
    const { name, end: nameEnd } = decodeName(message, from);
    if (nameEnd !== end) throw fault(type, at);
    return name;
  };
  switch (type) {
    case RecordType.A:
      if (length !== 4) throw fault(type, at);
      return { type, address: ipv4Text(message.slice(at, end)) };
    case RecordType.AAAA:
      if (length !== 16) throw fault(type, at);
      return { type, address: ipv6Text(message.slice(at, end)) };
    case RecordType.PTR:
      return { type, target: wholeName(at) };
    case RecordType.TXT:
      return { type, strings: decodeStrings(message, at, end) };
    case RecordType.SRV:
      if (length < 7) throw fault(type, at);
      return {
        type,
        priority: uint16At(message, at),
        weight: uint16At(message, at + 2),
        port: uint16At(message, at + 4),
        target: wholeName(at + 6),
      };
    case RecordType.NSEC:
      return decodeNsec(message, at, end);
    default:
      return { type, bytes: message.slice(at, end) };
  }
}

/** What records are compared by: the uncompressed bytes, as host text (RFC 6762 section 8.2). */
export function recordDataKey(data: RecordData): string {
  const writer = new DnsWriter();
  encodeRecordData(writer, data, false);
  return textOfBytes(writer.finish());
}

function decodeStrings(message: string, at: number, end: number): string[] {
  const strings: string[] = [];
  for (let position = at; position < end; ) {
    const length = byteAt(message, position);
    if (position + 1 + length > end) throw fault(RecordType.TXT, at);
    strings.push(message.slice(position + 1, position + 1 + length));
    position += 1 + length;
  }
  return strings.length === 1 && strings[0] === "" ? [] : strings;
}

function decodeNsec(message: string, at: number, end: number): RecordData {
  const { name: next, end: mapAt } = decodeName(message, at);
  const types: number[] = [];
  if (mapAt > end) throw fault(RecordType.NSEC, at);
  for (let position = mapAt; position < end; ) {
    if (position + 2 > end) throw fault(RecordType.NSEC, at);
    const window = byteAt(message, position);
    const length = byteAt(message, position + 1);
    if (length < 1 || length > 32 || position + 2 + length > end) throw fault(RecordType.NSEC, at);
    for (let bit = 0; window === 0 && bit < length * 8; bit++) {
      if ((byteAt(message, position + 2 + (bit >> 3)) & (0x80 >> (bit & 7))) !== 0) types.push(bit);
    }
    position += 2 + length;
  }
  return { type: RecordType.NSEC, next, types };
}

function hostBytes(text: string): number[] {
  return Array.from(text, (_, index) => byteAt(text, index));
}

function fault(type: number, at: number): ProtocolFault {
  return new ProtocolFault("dns-record", 400, `the data of a record of type ${type} at ${at} is malformed`);
}

function bug(address: string): never {
  throw new RangeError(`no such address: ${address}`);
}
