/**
 * RTP payload for H.264 (RFC 6184), packetization-mode 1. Row 1.
 *
 * - Single NAL unit packet (section 5.6): what fits into one payload.
 * - FU-A (section 5.8): what does not. All fragments but the last are full, so that a host can send a run of equal
 *   packets in one system call.
 * - STAP-A (section 5.7.1): parameter sets only, since some receivers do without it for the rest.
 *
 *     FU-A                              STAP-A
 *     +---------------+---------------+ +---------------+----------------+-----+----------------+-----
 *     |F|NRI|  28     |S|E|R|  type   | |F|NRI|  24     | size u16       | NAL | size u16       | NAL
 *     +---------------+---------------+ +---------------+----------------+-----+----------------+-----
 *
 * Parameter sets stand before every IDR picture, because decoders that join late never see the SDP's in time: the
 * frame's own where it has them, the format's otherwise.
 */
import type { GatherPlan } from "../bytes/gather-plan.ts";
import { byteAt, bytesOfText } from "../bytes/text.ts";
import { checkMaxPayload, PacketPlanner } from "./packet-planner.ts";
import { MAX_PAYLOAD_DEFAULT, type PacketizerOptions, type PayloadUnit } from "./payload-unit.ts";

// NAL unit types: RFC 6184 section 5.2, table 1.
const NAL_IDR_SLICE = 5;
const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_ACCESS_UNIT_DELIMITER = 9;
const NAL_FILLER = 12;
const NAL_LAST_SINGLE = 23;
const STAP_A = 24;
const FU_A = 28;

const TYPE_MASK = 0x1f;
const FORBIDDEN_MASK = 0x80;
const IMPORTANCE_MASK = 0x60;
const FU_HEADERS_BYTES = 2;
const FU_START = 0x80;
const FU_END = 0x40;
const STAP_HEADER_BYTES = 1;
const STAP_SIZE_BYTES = 2;
/** A payload that still carries something behind its headers. */
const MAX_PAYLOAD_LEAST = 8;

/** A parameter set from the format event. */
type StoredSet = { readonly nal: Int8Array };
type ParameterSet = StoredSet | PayloadUnit;

export class H264Packetizer {
  readonly #planner: PacketPlanner;
  readonly #maxPayload: number;
  #sps: readonly StoredSet[] = [];
  #pps: readonly StoredSet[] = [];

  constructor(options: PacketizerOptions) {
    this.#planner = new PacketPlanner(options.ssrc, options.payloadType);
    this.#maxPayload = checkMaxPayload(options.maxPayload ?? MAX_PAYLOAD_DEFAULT, MAX_PAYLOAD_LEAST);
  }

  /** Packets of the last plan: so many sequence numbers it used. */
  get packets(): number {
    return this.#planner.packets;
  }

  /** Payload octets of the last plan, without RTP and interleaved headers. */
  get octets(): number {
    return this.#planner.octets;
  }

  /** Takes the encoder's SPS and PPS NAL units as host text, without start codes; other units are left out. */
  setParameterSets(sets: readonly string[]): void {
    const stored = (type: number): StoredSet[] =>
      [...new Set(sets)]
        .filter((set) => set.length > 0 && (byteAt(set, 0) & TYPE_MASK) === type)
        .map((set) => ({ nal: new Int8Array(bytesOfText(set)) }));
    this.#sps = stored(NAL_SPS);
    this.#pps = stored(NAL_PPS);
  }

  /**
   * Plans one access unit; whatever `out` held is gone. Delimiters, end markers and filler are left out. An access unit
   * without anything else makes an empty plan of 0 packets.
   * @param sequence the first packet's sequence number, modulo 2^16.
   * @param timestamp RTP timestamp, modulo 2^32.
   * @param channel -1: one packet a datagram. 0 … 255: each packet behind the interleaved header of that channel.
   */
  plan(out: GatherPlan, units: readonly PayloadUnit[], sequence: number, timestamp: number, channel: number): void {
    const planner = this.#planner;
    const max = this.#maxPayload;
    const data = max - FU_HEADERS_BYTES;
    const fragmentBytes = PacketPlanner.packetBytes(channel, FU_HEADERS_BYTES);
    let planBytes = 0;
    let idr = false;
    let ownSps = false;
    let ownPps = false;
    for (let i = 0; i < units.length; i++) {
      const unit = units[i]!;
      const type = sentType(unit);
      if (type === 0) continue;
      if (type === NAL_IDR_SLICE) idr = true;
      else if (type === NAL_SPS) ownSps = true;
      else if (type === NAL_PPS) ownPps = true;
      planBytes += unit.length <= max ? fragmentBytes : Math.ceil((unit.length - 1) / data) * fragmentBytes;
    }
    if (!idr && !ownSps && !ownPps) {
      planner.begin(out, planBytes, sequence, timestamp, channel);
    } else {
      const sets: ParameterSet[] = [];
      if (idr && !ownSps) sets.push(...this.#sps);
      for (const unit of units) if (isParameterSet(sentType(unit))) sets.push(unit);
      if (idr && !ownPps) sets.push(...this.#pps);
      planner.begin(out, planBytes + this.#setsPlanBytes(sets, channel), sequence, timestamp, channel);
      this.#planSets(sets);
    }
    for (let i = 0; i < units.length; i++) {
      const unit = units[i]!;
      const type = sentType(unit);
      if (type !== 0 && !isParameterSet(type)) this.#planUnit(unit);
    }
    planner.finish();
  }

  #planUnit(unit: PayloadUnit): void {
    const planner = this.#planner;
    const max = this.#maxPayload;
    const { offset, length } = unit;
    if (length <= max) {
      planner.open(0, length);
      planner.slice(offset, length);
      planner.close();
      return;
    }
    // The NAL unit header is not sent itself: both FU bytes carry it (section 5.8).
    const header = byteAt(unit.head, 0);
    const type = header & TYPE_MASK;
    const data = max - FU_HEADERS_BYTES;
    const end = offset + length;
    let at = offset + 1;
    planner.open(FU_HEADERS_BYTES, max);
    planner.u8((header & ~TYPE_MASK) | FU_A);
    planner.u8(FU_START | type);
    planner.slice(at, data);
    planner.close();
    at += data;
    planner.again(at, at + data > end ? at + data - end : 0);
    planner.bytes[planner.payloadAt + 1] = type;
    planner.againUntil(at + data, data, end);
    planner.bytes[planner.payloadAt + 1] = FU_END | type;
  }

  /** Most plan bytes that the sets take, aggregated or one by one. */
  #setsPlanBytes(sets: readonly ParameterSet[], channel: number): number {
    const data = this.#maxPayload - FU_HEADERS_BYTES;
    const packetBytes = PacketPlanner.packetBytes(channel, STAP_HEADER_BYTES + STAP_SIZE_BYTES);
    let planBytes = 0;
    for (const set of sets) {
      const length = setLength(set);
      planBytes += Math.ceil(length / data) * packetBytes + PacketPlanner.moreBytes(STAP_SIZE_BYTES) + length;
    }
    return planBytes;
  }

  /** Two sets or more go as one STAP-A if that fits; else each as any NAL unit. */
  #planSets(sets: readonly ParameterSet[]): void {
    const planner = this.#planner;
    let payload = STAP_HEADER_BYTES;
    // The aggregate's header has every unit's F bit and the highest importance (section 5.7).
    let forbidden = 0;
    let importance = 0;
    for (const set of sets) {
      const header = setHeader(set);
      forbidden |= header & FORBIDDEN_MASK;
      importance = Math.max(importance, header & IMPORTANCE_MASK);
      payload += STAP_SIZE_BYTES + setLength(set);
    }
    if (sets.length < 2 || payload > this.#maxPayload) {
      for (const set of sets) {
        if ("nal" in set) this.#planStored(set.nal);
        else this.#planUnit(set);
      }
      return;
    }
    for (let i = 0; i < sets.length; i++) {
      const set = sets[i]!;
      const stored = "nal" in set ? set.nal : undefined;
      const length = setLength(set);
      const literal = STAP_SIZE_BYTES + (stored === undefined ? 0 : length);
      if (i === 0) {
        planner.open(STAP_HEADER_BYTES + literal, payload);
        planner.u8(forbidden | importance | STAP_A);
      } else {
        planner.literal(literal);
      }
      planner.u16(length);
      if (stored === undefined) planner.slice((set as PayloadUnit).offset, length);
      else planner.copy(stored);
    }
    planner.close();
  }

  /** A parameter set that is not in the frame, as a single NAL unit or fragments. */
  #planStored(nal: Int8Array): void {
    const planner = this.#planner;
    const max = this.#maxPayload;
    if (nal.length <= max) {
      planner.open(nal.length, nal.length);
      planner.copy(nal);
      planner.close();
      return;
    }
    const header = nal[0]! & 0xff;
    const data = max - FU_HEADERS_BYTES;
    for (let at = 1; at < nal.length; at += data) {
      const part = nal.subarray(at, at + data);
      planner.open(FU_HEADERS_BYTES + part.length, FU_HEADERS_BYTES + part.length);
      planner.u8((header & ~TYPE_MASK) | FU_A);
      const edge = (at === 1 ? FU_START : 0) | (at + data >= nal.length ? FU_END : 0);
      planner.u8(edge | (header & TYPE_MASK));
      planner.copy(part);
      planner.close();
    }
  }
}

/**
 * The unit's type when it is to be sent, else 0. Types past 23 mean aggregates and fragments in RTP and don't occur in
 * a byte stream; delimiter, ends of sequence and stream, and filler (9 to 12) tell a receiver nothing.
 */
function sentType(unit: PayloadUnit): number {
  if (unit.length === 0 || unit.head.length === 0) return 0;
  const type = byteAt(unit.head, 0) & TYPE_MASK;
  if (type > NAL_LAST_SINGLE || (type >= NAL_ACCESS_UNIT_DELIMITER && type <= NAL_FILLER)) return 0;
  return type;
}

function isParameterSet(type: number): boolean {
  return type === NAL_SPS || type === NAL_PPS;
}

function setLength(set: ParameterSet): number {
  return "nal" in set ? set.nal.length : set.length;
}

function setHeader(set: ParameterSet): number {
  return "nal" in set ? set.nal[0]! & 0xff : byteAt(set.head, 0);
}
