/**
 * DNS messages as Multicast DNS uses them (RFC 1035 section 4.1, RFC 6762 section 18). Row 1.
 *
 *     id u16 | QR, opcode 4, AA, TC, RD, RA, Z 3, rcode 4 | counts of questions, answers, authorities, additionals u16
 *     question  name | type u16 | QU, class 15
 *     record    name | type u16 | cache-flush, class 15 | TTL u32 | length u16 | data
 */
import { uint16At, uint32At } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import { type DnsName, decodeName, nameKey, nameLength } from "./name.ts";
import { decodeRecordData, encodeRecordData, type RecordData, RecordType, recordDataKey } from "./record-data.ts";
import { DnsWriter } from "./writer.ts";

/** Largest message of Multicast DNS, headers of IP and UDP left out of account (RFC 6762 section 17). */
export const MESSAGE_MAX_BYTES = 9_000;
/** Most questions and records of a message that are read; real ones have a few dozen. */
export const ENTRIES_MAX = 512;
export const CLASS_IN = 1;
export const CLASS_ANY = 255;
const HEADER_BYTES = 12;
const TOP_BIT = 0x8000;

const FLAG_RESPONSE = 0x8000;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;

export type DnsQuestion = {
  readonly name: DnsName;
  /** A type of record, or ANY. */
  readonly type: number;
  readonly classCode: number;
  /** The QU bit: the answer may come by unicast (RFC 6762 section 5.4). */
  readonly wantsUnicast: boolean;
};

export type DnsRecord = {
  readonly name: DnsName;
  readonly classCode: number;
  /** What others have cached of this name and type is no more (RFC 6762 section 10.2). */
  readonly cacheFlush: boolean;
  /** Seconds. 0: it is no more. */
  readonly ttl: number;
  readonly data: RecordData;
};

export type DnsMessage = {
  /** 0 in Multicast DNS, save in answers to ordinary resolvers. */
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  /** Of a query: more known answers follow. */
  readonly truncated: boolean;
  readonly rcode: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  /** Of a probe: what the name would mean. */
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
};

/** An empty query. */
export const QUERY: DnsMessage = {
  id: 0,
  isResponse: false,
  opcode: 0,
  authoritative: false,
  truncated: false,
  rcode: 0,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};
/** An empty answer. */
export const RESPONSE: DnsMessage = { ...QUERY, isResponse: true, authoritative: true };

/** @param compressData false for ordinary resolvers, which don't expect compression in SRV. */
export function encodeMessage(message: DnsMessage, compressData = true): Int8Array {
  const writer = new DnsWriter();
  writer.u16(message.id);
  writer.u16(
    (message.isResponse ? FLAG_RESPONSE : 0) |
      ((message.opcode & 15) << 11) |
      (message.authoritative ? FLAG_AUTHORITATIVE : 0) |
      (message.truncated ? FLAG_TRUNCATED : 0) |
      (message.rcode & 15),
  );
  const { questions, answers, authorities, additionals } = message;
  for (const section of [questions, answers, authorities, additionals]) writer.u16(section.length);
  for (const { name, type, classCode, wantsUnicast } of questions) {
    writer.name(name, true);
    writer.u16(type);
    writer.u16(classCode | (wantsUnicast ? TOP_BIT : 0));
  }
  for (const record of [...answers, ...authorities, ...additionals]) {
    writer.name(record.name, true);
    writer.u16(record.data.type);
    writer.u16(record.classCode | (record.cacheFlush ? TOP_BIT : 0));
    writer.u32(record.ttl);
    writer.measured(() => encodeRecordData(writer, record.data, compressData));
  }
  return writer.finish();
}

/** @param text one datagram as host text. @throws ProtocolFault */
export function decodeMessage(text: string): DnsMessage {
  if (text.length > MESSAGE_MAX_BYTES) throw fault(`a message of ${text.length} bytes, at most ${MESSAGE_MAX_BYTES}`);
  if (text.length < HEADER_BYTES) throw fault("the message ends in its header");
  const flags = uint16At(text, 2);
  const counts = [4, 6, 8, 10].map((at) => uint16At(text, at));
  const entries = counts.reduce((sum, count) => sum + count, 0);
  if (entries > ENTRIES_MAX) throw fault(`${entries} entries, at most ${ENTRIES_MAX}`);
  let at = HEADER_BYTES;
  const need = (bytes: number): void => {
    if (at + bytes > text.length) throw fault(`the message ends in an entry, at ${at}`);
  };
  const readName = (): DnsName => {
    const { name, end } = decodeName(text, at);
    at = end;
    return name;
  };
  const question = (): DnsQuestion => {
    const name = readName();
    need(4);
    const kind = uint16At(text, at + 2);
    const read = { name, type: uint16At(text, at), classCode: kind & ~TOP_BIT, wantsUnicast: kind >= TOP_BIT };
    at += 4;
    return read;
  };
  const record = (): DnsRecord => {
    const name = readName();
    need(10);
    const type = uint16At(text, at);
    const kind = uint16At(text, at + 2);
    const ttl = uint32At(text, at + 4);
    const length = uint16At(text, at + 8);
    at += 10;
    need(length);
    const data = decodeRecordData(text, type, at, length);
    at += length;
    return { name, classCode: kind & ~TOP_BIT, cacheFlush: kind >= TOP_BIT, ttl, data };
  };
  const many = <Entry>(count: number, read: () => Entry): Entry[] => Array.from({ length: count }, read);
  return {
    id: uint16At(text, 0),
    isResponse: (flags & FLAG_RESPONSE) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & FLAG_AUTHORITATIVE) !== 0,
    truncated: (flags & FLAG_TRUNCATED) !== 0,
    rcode: flags & 15,
    questions: many(counts[0]!, question),
    answers: many(counts[1]!, record),
    authorities: many(counts[2]!, record),
    additionals: many(counts[3]!, record),
  };
}

/** What makes two records the same: name, class, type and data; not the TTL. */
export function recordKey({ name, classCode, data }: DnsRecord): string {
  return `${nameKey(name)} ${classCode} ${data.type} ${recordDataKey(data)}`;
}

/** Its size in a message, at most. */
export function recordLength({ name, data }: DnsRecord): number {
  return nameLength(name) + 10 + recordDataKey(data).length;
}

/** Its size in a message, at most. */
export function questionLength({ name }: DnsQuestion): number {
  return nameLength(name) + 4;
}

export function isAskedFor({ name, type, classCode }: DnsQuestion, record: DnsRecord): boolean {
  if (classCode !== record.classCode && classCode !== CLASS_ANY) return false;
  if (type !== record.data.type && type !== RecordType.ANY) return false;
  return nameKey(name) === nameKey(record.name);
}

function fault(message: string): ProtocolFault {
  return new ProtocolFault("dns-message", 400, message);
}
