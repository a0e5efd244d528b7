/**
 * Compound RTCP packets (RFC 3550 section 6.1): several packets end to end in one datagram or interleaved block. Row 1.
 *
 * Written as the section wants it: a report first, then the source description. Read as receivers come: any order, also
 * a single packet (RFC 5506), and kinds that nobody here needs are passed over.
 */
import { decodeFeedback, type FullIntraRequest, type OtherFeedback, type PictureLoss } from "./feedback.ts";
import { decodeGoodbye, encodeGoodbye, type Goodbye, goodbyeBytes } from "./goodbye.ts";
import {
  decodeReceiverReport,
  encodeReceiverReport,
  type ReceiverReport,
  receiverReportBytes,
} from "./receiver-report.ts";
import { decodeRtcpHeader, malformed, RtcpType } from "./rtcp-header.ts";
import { decodeSenderReport, encodeSenderReport, type SenderReport, senderReportBytes } from "./sender-report.ts";
import {
  decodeSourceDescription,
  encodeSourceDescription,
  type SourceDescription,
  sourceDescriptionBytes,
} from "./source-description.ts";

/** What {@link encodeCompound} writes. */
export type SentRtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye;
/** What {@link decodeCompound} reads. */
export type RtcpPacket = SentRtcpPacket | PictureLoss | FullIntraRequest | OtherFeedback;

/** Packets in one compound; receivers send two or three. */
export const COMPOUND_MAX_PACKETS = 64;

/** The packets end to end in an exact-size array, ready for the host. */
export function encodeCompound(packets: readonly SentRtcpPacket[]): Int8Array {
  const bytes = new Int8Array(packets.reduce((size, packet) => size + packetBytes(packet), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const packet of packets) at = encodePacket(packet, view, at);
  return bytes;
}

function packetBytes(packet: SentRtcpPacket): number {
  switch (packet.type) {
    case "sender-report":
      return senderReportBytes(packet);
    case "receiver-report":
      return receiverReportBytes(packet);
    case "source-description":
      return sourceDescriptionBytes(packet);
    case "goodbye":
      return goodbyeBytes(packet);
  }
}

function encodePacket(packet: SentRtcpPacket, view: DataView, at: number): number {
  switch (packet.type) {
    case "sender-report":
      return encodeSenderReport(packet, view, at);
    case "receiver-report":
      return encodeReceiverReport(packet, view, at);
    case "source-description":
      return encodeSourceDescription(packet, view, at);
    case "goodbye":
      return encodeGoodbye(packet, view, at);
  }
}

/**
 * Decodes a compound given as host text. Packets of other types (APP, XR, …) are passed over.
 * @throws ProtocolFault `rtcp-malformed` when any packet is; nobody answers RTCP, so the caller ignores the whole.
 */
export function decodeCompound(text: string): RtcpPacket[] {
  if (text.length === 0) throw malformed("nothing at all");
  const packets: RtcpPacket[] = [];
  let at = 0;
  for (let count = 0; at < text.length; count++) {
    if (count === COMPOUND_MAX_PACKETS) throw malformed(`more than ${COMPOUND_MAX_PACKETS} packets`);
    const header = decodeRtcpHeader(text, at);
    switch (header.packetType) {
      case RtcpType.SENDER_REPORT:
        packets.push(decodeSenderReport(text, header));
        break;
      case RtcpType.RECEIVER_REPORT:
        packets.push(decodeReceiverReport(text, header));
        break;
      case RtcpType.SOURCE_DESCRIPTION:
        packets.push(decodeSourceDescription(text, header));
        break;
      case RtcpType.GOODBYE:
        packets.push(decodeGoodbye(text, header));
        break;
      case RtcpType.TRANSPORT_FEEDBACK:
      case RtcpType.PAYLOAD_FEEDBACK:
        packets.push(decodeFeedback(text, header));
        break;
      default:
      // APP, XR and what is not yet invented.
    }
    at = header.next;
  }
  return packets;
}
