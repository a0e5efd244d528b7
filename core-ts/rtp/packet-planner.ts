/**
 * Plans RTP packets (RFC 3550 section 5.1), alone for UDP or behind the interleaved header (RFC 2326 section 10.12).
 * Row 1.
 *
 * What one packet is in the gather plan; the parts in brackets are there with a channel only:
 *
 *     01 | length u16 | [24 | channel | length u16] | RTP header | payload header      literal
 *     02 | offset u32 | length u32                                                     slice
 *     03                                                                               boundary
 *
 * This is the hot path: some 15 packets a frame, and a byte stored costs about 25 ns in QuickJS. So the bytes go
 * straight into the plan's buffer, and the packets of a fragmented unit are copies of the one before with the few bytes
 * patched that differ.
 */
import { type GatherPlan, PLAN_BOUNDARY, PLAN_LITERAL, PLAN_SLICE } from "../bytes/gather-plan.ts";
import { MAX_PAYLOAD_LIMIT } from "./payload-unit.ts";
import { RTP_HEADER_BYTES, RTP_VERSION } from "./rtp-header.ts";

/** Channel of the UDP form. */
export const NO_CHANNEL = -1;
const INTERLEAVED_MAGIC = 0x24;
const INTERLEAVED_HEADER_BYTES = 4;
const MARKER_BIT = 0x80;

const LITERAL_HEADER_BYTES = 3;
const SLICE_BYTES = 9;
const BOUNDARY_BYTES = 1;

export class PacketPlanner {
  /** Packets of the last plan: so many sequence numbers it used. */
  packets = 0;
  /** Payload octets of the last plan, as sender reports count them (RFC 3550 section 6.4.1). */
  octets = 0;
  /** Where the payload header of the packet in work stands in {@link bytes}. */
  payloadAt = 0;
  /** The plan's buffer, for patching a payload header. */
  bytes: Int8Array = new Int8Array(0);

  readonly #ssrc: number;
  readonly #payloadType: number;
  #out: GatherPlan | undefined;
  #at = 0;
  #packetAt = 0;
  #rtpAt = 0;
  #sequence = 0;
  #timestamp = 0;
  #channel = NO_CHANNEL;
  #payload = 0;

  constructor(ssrc: number, payloadType: number) {
    this.#ssrc = ssrc;
    this.#payloadType = payloadType;
  }

  /** Plan bytes of one packet with one slice and `payloadHeader` bytes before it. */
  static packetBytes(channel: number, payloadHeader: number): number {
    const interleaved = channel === NO_CHANNEL ? 0 : INTERLEAVED_HEADER_BYTES;
    return LITERAL_HEADER_BYTES + interleaved + RTP_HEADER_BYTES + payloadHeader + SLICE_BYTES + BOUNDARY_BYTES;
  }

  /** Plan bytes of one more literal and slice in a packet. */
  static moreBytes(literal: number): number {
    return LITERAL_HEADER_BYTES + literal + SLICE_BYTES;
  }

  /**
   * Begins a plan.
   * @param planBytes most bytes that the plan can take; nothing checks it again.
   * @param sequence the first packet's sequence number.
   */
  begin(out: GatherPlan, planBytes: number, sequence: number, timestamp: number, channel: number): void {
    out.reset(planBytes);
    this.#out = out;
    this.bytes = out.bytes;
    this.#at = 0;
    this.#sequence = sequence;
    this.#timestamp = timestamp;
    this.#channel = channel;
    this.packets = 0;
    this.octets = 0;
  }

  /** Opens a packet of `payload` bytes, whose first `literal` bytes the caller writes next. */
  open(literal: number, payload: number): void {
    const bytes = this.bytes;
    const channel = this.#channel;
    let at = this.#at;
    this.#packetAt = at;
    const length = literal + (channel < 0 ? RTP_HEADER_BYTES : RTP_HEADER_BYTES + INTERLEAVED_HEADER_BYTES);
    bytes[at] = PLAN_LITERAL;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    at += LITERAL_HEADER_BYTES;
    if (channel >= 0) {
      const rest = RTP_HEADER_BYTES + payload;
      bytes[at] = INTERLEAVED_MAGIC;
      bytes[at + 1] = channel;
      bytes[at + 2] = rest >> 8;
      bytes[at + 3] = rest;
      at += INTERLEAVED_HEADER_BYTES;
    }
    this.#rtpAt = at;
    const sequence = this.#sequence + this.packets;
    const timestamp = this.#timestamp;
    const ssrc = this.#ssrc;
    bytes[at] = RTP_VERSION << 6;
    bytes[at + 1] = this.#payloadType;
    bytes[at + 2] = sequence >> 8;
    bytes[at + 3] = sequence;
    bytes[at + 4] = timestamp >> 24;
    bytes[at + 5] = timestamp >> 16;
    bytes[at + 6] = timestamp >> 8;
    bytes[at + 7] = timestamp;
    bytes[at + 8] = ssrc >> 24;
    bytes[at + 9] = ssrc >> 16;
    bytes[at + 10] = ssrc >> 8;
    bytes[at + 11] = ssrc;
    this.payloadAt = at + RTP_HEADER_BYTES;
    this.#at = at + RTP_HEADER_BYTES;
    this.#payload = payload;
    this.packets++;
    this.octets += payload;
  }

  u8(value: number): void {
    this.bytes[this.#at++] = value;
  }

  u16(value: number): void {
    const at = this.#at;
    this.bytes[at] = value >> 8;
    this.bytes[at + 1] = value;
    this.#at = at + 2;
  }

  u24(value: number): void {
    const at = this.#at;
    this.bytes[at] = value >> 16;
    this.bytes[at + 1] = value >> 8;
    this.bytes[at + 2] = value;
    this.#at = at + 3;
  }

  copy(source: Int8Array): void {
    this.bytes.set(source, this.#at);
    this.#at += source.length;
  }

  /** A further literal of the packet, behind a slice; the caller writes its bytes next. */
  literal(length: number): void {
    this.u8(PLAN_LITERAL);
    this.u16(length);
  }

  slice(offset: number, length: number): void {
    const bytes = this.bytes;
    const at = this.#at;
    bytes[at] = PLAN_SLICE;
    bytes[at + 1] = offset >> 24;
    bytes[at + 2] = offset >> 16;
    bytes[at + 3] = offset >> 8;
    bytes[at + 4] = offset;
    bytes[at + 5] = length >> 24;
    bytes[at + 6] = length >> 16;
    bytes[at + 7] = length >> 8;
    bytes[at + 8] = length;
    this.#at = at + SLICE_BYTES;
  }

  /** Ends the packet. */
  close(): void {
    this.bytes[this.#at++] = PLAN_BOUNDARY;
  }

  /**
   * Adds a copy of the packet just closed, which ends in its only slice, with that slice moved to `offset` and the next
   * sequence number. The caller may patch the payload header at {@link payloadAt}.
   * @param shorter bytes by which the slice, and so the packet, is shorter.
   */
  again(offset: number, shorter: number): void {
    const bytes = this.bytes;
    const from = this.#packetAt;
    const to = this.#at;
    const size = to - from;
    bytes.copyWithin(to, from, to);
    this.#packetAt = to;
    const end = to + size;
    this.#at = end;
    this.payloadAt += size;
    const rtpAt = this.#rtpAt + size;
    this.#rtpAt = rtpAt;
    const sequence = this.#sequence + this.packets;
    bytes[rtpAt + 2] = sequence >> 8;
    bytes[rtpAt + 3] = sequence;
    // The slice's offset and length are the eight bytes before the boundary.
    bytes[end - 9] = offset >> 24;
    bytes[end - 8] = offset >> 16;
    bytes[end - 7] = offset >> 8;
    bytes[end - 6] = offset;
    if (shorter > 0) this.#shorten(end - 5, shorter);
    this.packets++;
    this.octets += this.#payload;
  }

  /** {@link again} for every further `step` bytes of the frame from `offset` to `end`; the last part is what is left. */
  againUntil(offset: number, step: number, end: number): void {
    const count = Math.ceil((end - offset) / step);
    if (count <= 0) return;
    const bytes = this.bytes;
    const from = this.#packetAt;
    const size = this.#at - from;
    // Copies of copies: few calls, however many packets.
    for (let copied = 1; copied <= count; copied *= 2) {
      bytes.copyWithin(from + copied * size, from, from + Math.min(copied, count + 1 - copied) * size);
    }
    let sequence = this.#sequence + this.packets;
    let sequenceAt = this.#rtpAt + size + 2;
    let offsetAt = this.#at + size - 9;
    for (let at = offset; at < end; at += step) {
      bytes[sequenceAt] = sequence >> 8;
      bytes[sequenceAt + 1] = sequence;
      bytes[offsetAt] = at >> 24;
      bytes[offsetAt + 1] = at >> 16;
      bytes[offsetAt + 2] = at >> 8;
      bytes[offsetAt + 3] = at;
      sequence++;
      sequenceAt += size;
      offsetAt += size;
    }
    const added = count * size;
    this.#packetAt = from + added;
    this.#at += added;
    this.payloadAt += added;
    this.#rtpAt += added;
    this.packets += count;
    const shorter = offset + count * step - end;
    this.octets += count * this.#payload - shorter;
    if (shorter > 0) this.#shorten(this.#at - 5, shorter);
  }

  #shorten(lengthAt: number, by: number): void {
    const bytes = this.bytes;
    // A packet is at most 65,507 bytes long, so the slice's upper two are 0.
    const length = (((bytes[lengthAt + 2]! & 0xff) << 8) | (bytes[lengthAt + 3]! & 0xff)) - by;
    bytes[lengthAt + 2] = length >> 8;
    bytes[lengthAt + 3] = length;
    this.#payload -= by;
    if (this.#channel >= 0) {
      const rest = RTP_HEADER_BYTES + this.#payload;
      bytes[this.#rtpAt - 2] = rest >> 8;
      bytes[this.#rtpAt - 1] = rest;
    }
  }

  /** Ends the plan: the last packet gets the marker (the last of a picture, in both payload formats). */
  finish(): void {
    if (this.packets > 0) this.bytes[this.#rtpAt + 1] = this.#payloadType | MARKER_BIT;
    this.#out!.length = this.#at;
    this.#out = undefined;
  }
}

/** Checks a payload size at set-up; what is wrong here is our own mistake. */
export function checkMaxPayload(maxPayload: number, least: number): number {
  if (Number.isInteger(maxPayload) && maxPayload >= least && maxPayload <= MAX_PAYLOAD_LIMIT) return maxPayload;
  throw new RangeError(`maxPayload ${maxPayload} is outside ${least} to ${MAX_PAYLOAD_LIMIT}`);
}
