import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hex, textOfBytes } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import {
  type DnsMessage,
  type DnsRecord,
  decodeMessage,
  ENTRIES_MAX,
  encodeMessage,
  isAskedFor,
  MESSAGE_MAX_BYTES,
  QUERY,
  RESPONSE,
  recordKey,
  recordLength,
} from "./message.ts";
import { type RecordData, RecordType, recordDataKey } from "./record-data.ts";

const wire = (text: string): string => textOfBytes(Uint8Array.from(Buffer.from(text.replace(/\s+/g, ""), "hex")));
const record = (data: RecordData, more: Partial<DnsRecord> = {}): DnsRecord => ({
  name: ["door", "local"],
  classCode: 1,
  cacheFlush: false,
  ttl: 120,
  data,
  ...more,
});

/** id 0, a query; one question: _rtsp._tcp.local PTR, QU. */
const QUESTION = `0000 0000 0001 0000 0000 0000
  05 5f72747370 04 5f746370 05 6c6f63616c 00  000c 8001`;

/** An answer as a camera gives it: PTR, with SRV, TXT, A, AAAA and NSEC behind it. */
const ANSWER = `0000 8400 0000 0001 0000 0005
  05 5f72747370 04 5f746370 05 6c6f63616c 00  000c 0001 00001194 0009  06 6d7920646f72 c00c
  c028  0021 8001 00000078 000d  0000 0000 1e62  04 646f6f72 c017
  c028  0010 8001 00001194 0010  0a 706174683d2f6c697665  04 613d0062
  c043  0001 8001 00000078 0004  c0000207
  c043  001c 8001 00000078 0010  20010db8 00000000 00000000 00000001
  c043  002f 8001 00000078 0008  c043 00 04 40000008`;

const instance = ["my dor", "_rtsp", "_tcp", "local"];
const DECODED: DnsMessage = {
  ...RESPONSE,
  answers: [record({ type: RecordType.PTR, target: instance }, { name: ["_rtsp", "_tcp", "local"], ttl: 4500 })],
  additionals: [
    record({ type: RecordType.SRV, priority: 0, weight: 0, port: 7778, target: ["door", "local"] }, { name: instance }),
    record({ type: RecordType.TXT, strings: ["path=/live", "a=\u0100b"] }, { name: instance, ttl: 4500 }),
    record({ type: RecordType.A, address: "192.0.2.7" }),
    record({ type: RecordType.AAAA, address: "2001:db8::1" }),
    record({ type: RecordType.NSEC, next: ["door", "local"], types: [1, 28] }),
  ].map((one) => ({ ...one, cacheFlush: true })),
};

const label = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }).filter((it) => Buffer.byteLength(it) <= 60);
const name = fc.array(label, { minLength: 1, maxLength: 4 });
const u16 = fc.nat(65_535);
const hostText = (max: number) => fc.uint8Array({ maxLength: max }).map(textOfBytes);
const data: fc.Arbitrary<RecordData> = fc.oneof(
  fc.ipV4().map((address) => ({ type: RecordType.A, address })),
  fc.record({ type: fc.constant(RecordType.PTR), target: name }),
  fc.record({ type: fc.constant(RecordType.SRV), priority: u16, weight: u16, port: u16, target: name }),
  fc.array(hostText(20), { maxLength: 4 }).map((strings) => ({
    type: RecordType.TXT,
    strings: strings.length === 1 && strings[0] === "" ? [] : strings,
  })),
  fc.record({
    type: fc.constant(RecordType.NSEC),
    next: name,
    types: fc.uniqueArray(fc.nat(255)).map((types) => types.sort((a, b) => a - b)),
  }),
  fc.record({ type: fc.integer({ min: 256, max: 65_535 }), bytes: hostText(30) }),
);
const anyRecord: fc.Arbitrary<DnsRecord> = fc.record({
  name,
  classCode: fc.nat(0x7fff),
  cacheFlush: fc.boolean(),
  ttl: fc.nat(0x7fff_ffff),
  data,
});
const records = fc.array(anyRecord, { maxLength: 5 });
const anyMessage: fc.Arbitrary<DnsMessage> = fc.record({
  id: u16,
  isResponse: fc.boolean(),
  opcode: fc.nat(15),
  authoritative: fc.boolean(),
  truncated: fc.boolean(),
  rcode: fc.nat(15),
  questions: fc.array(fc.record({ name, type: u16, classCode: fc.nat(0x7fff), wantsUnicast: fc.boolean() }), {
    maxLength: 4,
  }),
  answers: records,
  authorities: records,
  additionals: records,
});
/** Compression may give a name the case that it was first written in. */
const lower = (message: DnsMessage): unknown => JSON.parse(JSON.stringify(message).toLowerCase());

describe("a DNS message", () => {
  it("asks", () => {
    const question = { name: ["_rtsp", "_tcp", "local"], type: 12, classCode: 1, wantsUnicast: true };
    expect(decodeMessage(wire(QUESTION))).toEqual({ ...QUERY, questions: [question] });
    expect(hex(encodeMessage({ ...QUERY, questions: [question] }))).toBe(QUESTION.replace(/\s+/g, ""));
  });

  it("answers, each name's tail written once", () => {
    expect(decodeMessage(wire(ANSWER))).toEqual(DECODED);
    expect(hex(encodeMessage(DECODED))).toBe(ANSWER.replace(/\s+/g, ""));
  });

  it("is written without compression in SRV for ordinary resolvers", () => {
    const plain = textOfBytes(encodeMessage(DECODED, false));
    expect(decodeMessage(plain)).toEqual(DECODED);
    expect(plain.length).toBeGreaterThan(wire(ANSWER).length);
  });

  it("cut at any place is refused, and harms nobody with any one byte changed", () => {
    const whole = wire(ANSWER);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeMessage(whole.slice(0, length)), String(length)).toThrow(ProtocolFault);
    }
    for (let at = 0; at < whole.length; at++) {
      for (const byte of ["\u0100", "\u00ff", "\u00c0", "\u003f", "\u0001"]) {
        try {
          decodeMessage(whole.slice(0, at) + byte + whole.slice(at + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolFault);
        }
      }
    }
  });

  it("comes back whole, whatever it says", () => {
    fc.assert(
      fc.property(anyMessage, fc.boolean(), (message, compress) => {
        const bytes = encodeMessage(message, compress);
        expect(lower(decodeMessage(textOfBytes(bytes)))).toEqual(lower(message));
        const all = [...message.answers, ...message.authorities, ...message.additionals];
        const most = 12 + all.reduce((sum, one) => sum + recordLength(one), 0);
        const questions = message.questions.reduce((sum, one) => sum + Buffer.byteLength(one.name.join(".")) + 6, 0);
        expect(bytes.length).toBeLessThanOrEqual(most + questions);
      }),
    );
  });

  it("of any bytes is read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeMessage(textOfBytes(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolFault);
        }
      }),
    );
  });

  it("has at most 9,000 bytes and 512 entries", () => {
    expect(() => decodeMessage("\u0100".repeat(MESSAGE_MAX_BYTES + 1))).toThrow(String(MESSAGE_MAX_BYTES));
    const questions = (count: number) =>
      wire(`00000000 ${count.toString(16).padStart(4, "0")} 000000000000${"0000010001".repeat(count)}`);
    expect(decodeMessage(questions(ENTRIES_MAX)).questions).toHaveLength(ENTRIES_MAX);
    expect(() => decodeMessage(questions(ENTRIES_MAX + 1))).toThrow(String(ENTRIES_MAX));
  });

  it.each([
    ["an A of three bytes", "0001 0001 00000000 0003 010203"],
    ["an AAAA of four", "001c 0001 00000000 0004 01020304"],
    ["a PTR with something behind its name", "000c 0001 00000000 0002 00 00"],
    ["an SRV without a name", "0021 0001 00000000 0006 000000000000"],
    ["a TXT string past its end", "0010 0001 00000000 0002 0261"],
    ["an NSEC map past its end", "002f 0001 00000000 0004 00 00 04 40"],
    ["an NSEC map without bytes", "002f 0001 00000000 0003 00 00 00"],
  ])("with %s is refused", (_, rest) => {
    expect(() => decodeMessage(wire(`0000 8400 0000 0001 0000 0000 00 ${rest}`))).toThrow(ProtocolFault);
  });
});

describe("a record", () => {
  it("is the same whatever its TTL and the case of its name", () => {
    const one = record({ type: RecordType.A, address: "192.0.2.7" });
    expect(recordKey({ ...one, ttl: 1, cacheFlush: true, name: ["DOOR", "local"] })).toBe(recordKey(one));
    expect(recordKey(record({ type: RecordType.A, address: "192.0.2.8" }))).not.toBe(recordKey(one));
  });

  it("without strings says so with an empty one", () => {
    expect(recordDataKey({ type: RecordType.TXT, strings: [] })).toBe("\u0100");
  });

  it("is asked for by name, type and class, or any of them", () => {
    const one = record({ type: RecordType.A, address: "192.0.2.7" });
    const question = { name: ["Door", "local"], type: 1, classCode: 1, wantsUnicast: false };
    expect(isAskedFor(question, one)).toBe(true);
    expect(isAskedFor({ ...question, type: 255, classCode: 255 }, one)).toBe(true);
    expect(isAskedFor({ ...question, type: 28 }, one)).toBe(false);
    expect(isAskedFor({ ...question, classCode: 3 }, one)).toBe(false);
    expect(isAskedFor({ ...question, name: ["other", "local"] }, one)).toBe(false);
  });
});
