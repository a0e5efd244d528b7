/**
 * What all RTCP packets begin with (RFC 3550 section 6.4.1 and appendix A.2). Row 1.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |V=2|P|  count  |      PT       |             length            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * The length counts 32-bit words after the first. In feedback packets the count is the format (RFC 4585 section 6.1).
 */
import { byteAt, uint16At } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";

export const RTCP_VERSION = 2;
export const RTCP_HEADER_BYTES = 4;
/** The count has five bits. */
export const RTCP_COUNT_MAX = 31;
const WORD_BYTES = 4;
const PADDING_BIT = 0x20;

/** Packet types: RFC 3550 section 12.1, RFC 4585 section 6.1. */
export const RtcpType = {
  SENDER_REPORT: 200,
  RECEIVER_REPORT: 201,
  SOURCE_DESCRIPTION: 202,
  GOODBYE: 203,
  TRANSPORT_FEEDBACK: 205,
  PAYLOAD_FEEDBACK: 206,
} as const;

/** One packet's place in a compound. */
export type RtcpHeader = {
  /** Report blocks, chunks or sources; the format of feedback. 0 … 31. */
  readonly count: number;
  readonly packetType: number;
  /** First byte after this header. */
  readonly start: number;
  /** Past the packet's last byte, padding left out. */
  readonly end: number;
  /** Where the next packet begins. */
  readonly next: number;
};

/** Decodes the header at `at`. @throws ProtocolFault `rtcp-malformed`. */
export function decodeRtcpHeader(text: string, at: number): RtcpHeader {
  if (at + RTCP_HEADER_BYTES > text.length) throw malformed(`packet of ${text.length - at} bytes at offset ${at}`);
  const first = byteAt(text, at);
  if (first >> 6 !== RTCP_VERSION) throw malformed(`version ${first >> 6} at offset ${at}`);
  const next = at + RTCP_HEADER_BYTES + WORD_BYTES * uint16At(text, at + 2);
  if (next > text.length) throw malformed(`packet at offset ${at} ends at ${next}, after the ${text.length} bytes`);
  const start = at + RTCP_HEADER_BYTES;
  let end = next;
  if ((first & PADDING_BIT) !== 0) {
    const padding = next > start ? byteAt(text, next - 1) : 0;
    end -= padding;
    if (padding === 0 || end < start) throw malformed(`padding of ${padding} bytes at offset ${at}`);
  }
  return { count: first & RTCP_COUNT_MAX, packetType: byteAt(text, at + 1), start, end, next };
}

/** Writes the header of a packet that takes `size` bytes, this header included. @returns the offset after it. */
export function encodeRtcpHeader(view: DataView, at: number, count: number, packetType: number, size: number): number {
  view.setUint8(at, (RTCP_VERSION << 6) | count);
  view.setUint8(at + 1, packetType);
  view.setUint16(at + 2, size / WORD_BYTES - 1);
  return at + RTCP_HEADER_BYTES;
}

/** Rounded up to whole words. */
export function paddedToWord(bytes: number): number {
  return Math.ceil(bytes / WORD_BYTES) * WORD_BYTES;
}

/** The fault of every decoder in this folder. Nobody answers RTCP: whoever decodes ignores the compound. */
export function malformed(message: string): ProtocolFault {
  return new ProtocolFault("rtcp-malformed", 400, `RTCP: ${message}`);
}

/** Checks that a packet has the bytes up to `end`. @throws ProtocolFault `rtcp-malformed`. */
export function requireBytes(header: RtcpHeader, end: number): void {
  if (end > header.end) throw malformed(`packet of type ${header.packetType} is ${end - header.end} bytes short`);
}

/** Our own mistake: more of something than the count can tell. */
export function checkCount(count: number): void {
  if (count > RTCP_COUNT_MAX) throw new RangeError(`${count} entries in an RTCP packet, at most ${RTCP_COUNT_MAX}`);
}
