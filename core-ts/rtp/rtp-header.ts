/**
 * RTP data packet header (RFC 3550 section 5.1). Row 1.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |V=2|P|X|  CC   |M|     PT      |            sequence           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                           timestamp                           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                             SSRC                              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                    CSRC (CC times), extension                 |
 *
 * What goes out is written by {@link PacketPlanner}; this decodes what comes in, and what tests look at.
 */
import { byteAt, uint16At, uint32At } from "../bytes/text.ts";
import type { RtpTime } from "../time/units.ts";

export type RtpHeader = {
  readonly marker: boolean;
  /** 0 … 127. */
  readonly payloadType: number;
  /** Modulo 2^16. */
  readonly sequence: number;
  readonly timestamp: RtpTime;
  readonly ssrc: number;
  /** The payload's place in the packet, without extension and padding. */
  readonly payloadStart: number;
  readonly payloadEnd: number;
};

export const RTP_VERSION = 2;
/** Without contributing sources and extension: what this server sends. */
export const RTP_HEADER_BYTES = 12;
const SEQUENCE_AT = 2;
const TIMESTAMP_AT = SEQUENCE_AT + 2;
const SSRC_AT = TIMESTAMP_AT + 4;
const EXTENSION_HEADER_BYTES = 4;

/** The header of a packet given as host text; undefined when it isn't RTP, as packets that open NAT ports are not. */
export function decodeRtpHeader(packet: string): RtpHeader | undefined {
  if (packet.length < RTP_HEADER_BYTES) return undefined;
  const first = byteAt(packet, 0);
  if (first >> 6 !== RTP_VERSION) return undefined;
  let payloadStart = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) {
    if (payloadStart + EXTENSION_HEADER_BYTES > packet.length) return undefined;
    payloadStart += EXTENSION_HEADER_BYTES + 4 * uint16At(packet, payloadStart + 2);
  }
  let payloadEnd = packet.length;
  if ((first & 0x20) !== 0) {
    const padding = byteAt(packet, packet.length - 1);
    if (padding === 0) return undefined;
    payloadEnd -= padding;
  }
  if (payloadStart > payloadEnd) return undefined;
  const second = byteAt(packet, 1);
  return {
    marker: (second & 0x80) !== 0,
    payloadType: second & 0x7f,
    sequence: uint16At(packet, SEQUENCE_AT),
    timestamp: uint32At(packet, TIMESTAMP_AT),
    ssrc: uint32At(packet, SSRC_AT),
    payloadStart,
    payloadEnd,
  };
}
