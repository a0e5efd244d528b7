/**
 * RTP payload for JPEG pictures (RFC 2435). Row 1.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | type-specific |              fragment offset                  |   section 3.1, in every packet
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     type      |       Q       |    width / 8  |   height / 8  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |       restart interval        |F|L|       restart count       |   section 3.1.7, types 64 and 65
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |      MBZ      |   precision   |            length             |   section 3.1.8, first packet only
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              quantization tables, then the scan               |
 *
 * Only the scan travels: no JPEG header, no EOI. The tables are the picture's own, in band with every picture (Q 255),
 * because an encoder's tables seldom are the ones that Q = 1 … 99 stand for.
 */
import type { GatherPlan } from "../bytes/gather-plan.ts";
import { checkMaxPayload, PacketPlanner } from "./packet-planner.ts";
import { MAX_PAYLOAD_DEFAULT, type PacketizerOptions, type PayloadUnit } from "./payload-unit.ts";

/** What the payload headers say of a picture. `parseJpegHeader` of the media folder gives it. */
export type JpegPicture = {
  /** Pixels, 1 … 2,040. */
  readonly width: number;
  readonly height: number;
  /** Section 4.1: 0 for 4:2:2, 1 for 4:2:0. */
  readonly type: 0 | 1;
  /** MCUs between restart markers; 0 for none. */
  readonly restartInterval: number;
  /** Luma then chroma, 128 bytes in zigzag order. */
  readonly quantizationTables: Int8Array;
};

const MAIN_HEADER_BYTES = 8;
const FRAGMENT_OFFSET_AT = 1;
/** Most bytes of a scan: the fragment offset has 24 bits. */
const SCAN_MAX_BYTES = 1 << 24;
const RESTART_HEADER_BYTES = 4;
const TYPE_WITH_RESTART = 64;
/** First and last bit set and the highest count: the receiver decodes whole pictures (section 3.1.7). */
const RESTART_WHOLE_PICTURE = 0xffff;
const TABLES_HEADER_BYTES = 4;
/** The tables may change with every picture (section 3.1.8). */
const Q_DYNAMIC = 255;
const PIXELS_PER_UNIT = 8;
/** All headers of a first packet, and some scan. */
const MAX_PAYLOAD_LEAST = 160;
/** Units of a JPEG frame: its headers, its scan. */
const SCAN_UNIT = 1;

export class JpegPacketizer {
  readonly #planner: PacketPlanner;
  readonly #maxPayload: number;

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

  /**
   * Plans one picture; whatever `out` held is gone. Without a scan, or with one too long for the fragment offset, it is
   * an empty plan of 0 packets.
   * @param units the picture's headers and its scan without EOI.
   * @param sequence the first packet's sequence number, modulo 2^16.
   * @param timestamp RTP timestamp, modulo 2^32.
   * @param channel -1: one packet a datagram. 0 … 255: each packet behind the interleaved header of that channel.
   */
  plan(
    out: GatherPlan,
    units: readonly PayloadUnit[],
    picture: JpegPicture,
    sequence: number,
    timestamp: number,
    channel: number,
  ): void {
    const planner = this.#planner;
    const max = this.#maxPayload;
    const scan = units[SCAN_UNIT];
    const length = scan === undefined || scan.length > SCAN_MAX_BYTES ? 0 : scan.length;
    const tables = picture.quantizationTables;
    const header = MAIN_HEADER_BYTES + (picture.restartInterval === 0 ? 0 : RESTART_HEADER_BYTES);
    const firstHeader = header + TABLES_HEADER_BYTES + tables.length;
    const data = max - header;
    const inFirst = Math.min(length, max - firstHeader);
    const rest = length - inFirst;
    const planBytes =
      PacketPlanner.packetBytes(channel, firstHeader) +
      Math.ceil(rest / data) * PacketPlanner.packetBytes(channel, header);
    planner.begin(out, planBytes, sequence, timestamp, channel);
    if (scan === undefined || length === 0) {
      planner.finish();
      return;
    }

    planner.open(firstHeader, firstHeader + inFirst);
    this.#headers(picture, 0);
    planner.u16(0); // MBZ, and precision 0: 8-bit elements.
    planner.u16(tables.length);
    planner.copy(tables);
    planner.slice(scan.offset, inFirst);
    planner.close();

    if (rest > 0) {
      const size = Math.min(data, rest);
      planner.open(header, header + size);
      this.#headers(picture, inFirst);
      planner.slice(scan.offset + inFirst, size);
      planner.close();
    }
    for (let at = inFirst + data; at < length; at += data) {
      planner.again(scan.offset + at, at + data > length ? at + data - length : 0);
      const offsetAt = planner.payloadAt + FRAGMENT_OFFSET_AT;
      planner.bytes[offsetAt] = at >> 16;
      planner.bytes[offsetAt + 1] = at >> 8;
      planner.bytes[offsetAt + 2] = at;
    }
    planner.finish();
  }

  #headers(picture: JpegPicture, fragmentOffset: number): void {
    const planner = this.#planner;
    planner.u8(0); // Type-specific: a whole progressive-scan picture (section 4.1).
    planner.u24(fragmentOffset);
    planner.u8(picture.restartInterval === 0 ? picture.type : picture.type + TYPE_WITH_RESTART);
    planner.u8(Q_DYNAMIC);
    // The field counts whole blocks; a picture that ends inside one shows its padding, as there is no finer unit.
    planner.u8(Math.ceil(picture.width / PIXELS_PER_UNIT));
    planner.u8(Math.ceil(picture.height / PIXELS_PER_UNIT));
    if (picture.restartInterval !== 0) {
      planner.u16(picture.restartInterval);
      planner.u16(RESTART_WHOLE_PICTURE);
    }
  }
}
