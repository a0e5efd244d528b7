/**
 * The receiving side, for tests: runs gather plans as hosts do and puts frames together again. Row 1; the server itself
 * never imports it.
 *
 * Strict where receivers are lenient: whatever a specification forbids to send is an error here.
 */
import { PLAN_BOUNDARY, PLAN_LITERAL, PLAN_SLICE } from "../bytes/gather-plan.ts";
import { textOfBytes } from "../bytes/text.ts";
import { decodeRtpHeader, type RtpHeader } from "./rtp-header.ts";

/** What a plan is: a {@link GatherPlan} is one. */
export type FinishedPlan = { readonly bytes: Int8Array; readonly length: number };

/** Runs a plan over a frame: the bytes between boundaries, empty ones left out. Throws where a host answers INVALID. */
export function runPlan(plan: FinishedPlan, frame: Uint8Array): Uint8Array[] {
  const program = new Uint8Array(plan.bytes.buffer, plan.bytes.byteOffset, plan.bytes.length).subarray(0, plan.length);
  if (program.length !== plan.length) throw new Error("plan longer than its buffer");
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  const end = () => {
    const packet = concat(parts);
    if (packet.length > 0) packets.push(packet);
    parts = [];
  };
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  for (let at = 0; at < program.length; ) {
    const op = program[at];
    if (op === PLAN_LITERAL) {
      const length = view.getUint16(at + 1);
      const literal = program.subarray(at + 3, at + 3 + length);
      if (literal.length !== length) throw new Error(`cut literal at ${at}`);
      parts.push(literal);
      at += 3 + length;
    } else if (op === PLAN_SLICE) {
      const offset = view.getUint32(at + 1);
      const length = view.getUint32(at + 5);
      if (offset + length > frame.length) throw new Error(`slice at ${at} leaves the frame`);
      parts.push(frame.subarray(offset, offset + length));
      at += 9;
    } else if (op === PLAN_BOUNDARY) {
      end();
      at += 1;
    } else {
      throw new Error(`unknown op ${op} at ${at}`);
    }
  }
  end();
  return packets;
}

export type InterleavedPacket = { readonly channel: number; readonly packet: Uint8Array };

/** Cuts interleaved bytes (RFC 2326 section 10.12) into packets. */
export function deinterleave(bytes: Uint8Array): InterleavedPacket[] {
  const packets: InterleavedPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== 0x24) throw new Error(`no $ at ${at}`);
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const packet = bytes.subarray(at + 4, at + 4 + length);
    if (packet.length !== length) throw new Error(`packet at ${at} is cut`);
    packets.push({ channel: bytes[at + 1]!, packet });
    at += 4 + length;
  }
  return packets;
}

export type ReceivedPacket = RtpHeader & { readonly payload: Uint8Array };

/** Decodes one frame's packets and checks their headers: one source, one time, rising numbers, a marker at the end. */
export function receiveFrame(packets: readonly Uint8Array[]): ReceivedPacket[] {
  const received = packets.map((packet) => {
    const header = decodeRtpHeader(textOfBytes(packet));
    if (header === undefined) throw new Error("not RTP");
    return { ...header, payload: packet.subarray(header.payloadStart, header.payloadEnd) };
  });
  const first = received[0];
  received.forEach((packet, index) => {
    if (packet.ssrc !== first!.ssrc || packet.timestamp !== first!.timestamp) throw new Error("packets of two frames");
    if (packet.payloadType !== first!.payloadType) throw new Error("two payload types");
    if (packet.sequence !== ((first!.sequence + index) & 0xffff)) throw new Error(`sequence broken at ${index}`);
    if (packet.marker !== (index === received.length - 1)) throw new Error(`marker ${packet.marker} at ${index}`);
  });
  return received;
}

/** The NAL units of an access unit's payloads (RFC 6184, packetization-mode 1). */
export function nalUnitsOf(payloads: readonly Uint8Array[]): Uint8Array[] {
  const units: Uint8Array[] = [];
  let fragments: Uint8Array[] | undefined;
  for (const payload of payloads) {
    const first = payload[0]!;
    const type = first & 0x1f;
    if (type === 28) {
      const header = payload[1]!;
      const start = (header & 0x80) !== 0;
      const end = (header & 0x40) !== 0;
      if (start && end) throw new Error("a fragment that is a whole unit");
      if (payload.length < 3) throw new Error("an empty fragment");
      if (start !== (fragments === undefined)) throw new Error("fragments out of order");
      fragments ??= [Uint8Array.of((first & 0xe0) | (header & 0x1f))];
      if (fragments[0]![0] !== ((first & 0xe0) | (header & 0x1f))) throw new Error("fragments of two units");
      fragments.push(payload.subarray(2));
      if (end) {
        units.push(concat(fragments));
        fragments = undefined;
      }
      continue;
    }
    if (fragments !== undefined) throw new Error("a unit between fragments");
    if (type === 24) {
      for (let at = 1; at < payload.length; ) {
        const length = (payload[at]! << 8) | payload[at + 1]!;
        const unit = payload.subarray(at + 2, at + 2 + length);
        if (length === 0 || unit.length !== length) throw new Error("a cut aggregate");
        units.push(unit);
        at += 2 + length;
      }
    } else if (type >= 1 && type <= 23) {
      units.push(payload);
    } else {
      throw new Error(`payload type ${type}`);
    }
  }
  if (fragments !== undefined) throw new Error("a unit without its end");
  return units;
}

export type ReceivedPicture = {
  readonly type: number;
  readonly q: number;
  readonly width: number;
  readonly height: number;
  readonly restartInterval: number;
  readonly quantizationTables: Uint8Array;
  readonly scan: Uint8Array;
};

/** The picture of a frame's payloads (RFC 2435). */
export function pictureOf(payloads: readonly Uint8Array[]): ReceivedPicture {
  let picture: Omit<ReceivedPicture, "scan"> | undefined;
  const parts: Uint8Array[] = [];
  let received = 0;
  for (const payload of payloads) {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (payload[0] !== 0) throw new Error("type-specific is not 0");
    const offset = view.getUint32(0) & 0xffffff;
    if (offset !== received) throw new Error(`fragment offset ${offset}, expected ${received}`);
    const type = payload[4]!;
    const q = payload[5]!;
    let at = 8;
    let restartInterval = 0;
    if (type >= 64) {
      restartInterval = view.getUint16(at);
      if (restartInterval === 0 || view.getUint16(at + 2) !== 0xffff) throw new Error("restart header");
      at += 4;
    }
    let quantizationTables: Uint8Array = new Uint8Array(0);
    if (offset === 0 && q >= 128) {
      if (view.getUint16(at) !== 0) throw new Error("precision is not 8 bits");
      const length = view.getUint16(at + 2);
      quantizationTables = payload.subarray(at + 4, at + 4 + length);
      if (quantizationTables.length !== length) throw new Error("cut quantization tables");
      at += 4 + length;
    }
    const head = { type, q, width: payload[6]! * 8, height: payload[7]! * 8, restartInterval };
    picture ??= { ...head, quantizationTables };
    const { quantizationTables: _, ...same } = picture;
    if (JSON.stringify(same) !== JSON.stringify(head)) throw new Error("headers differ within a picture");
    const part = payload.subarray(at);
    if (part.length === 0) throw new Error("a packet without scan");
    parts.push(part);
    received += part.length;
  }
  if (picture === undefined) throw new Error("no packets");
  return { ...picture, scan: concat(parts) };
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
