/**
 * Sender report (RFC 3550 section 6.4.1). Row 1.
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                             SSRC                              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              NTP timestamp, seconds                           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              NTP timestamp, fraction                          |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              RTP timestamp                                    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              packets sent                                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              payload octets sent                              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |              report blocks                                    |
 */
import { uint32At } from "../bytes/text.ts";
import type { NtpTime } from "../time/ntp.ts";
import type { RtpTime } from "../time/units.ts";
import { decodeReportBlocks, encodeReportBlocks, REPORT_BLOCK_BYTES, type ReportBlock } from "./receiver-report.ts";
import {
  checkCount,
  encodeRtcpHeader,
  RTCP_HEADER_BYTES,
  type RtcpHeader,
  RtcpType,
  requireBytes,
} from "./rtcp-header.ts";

export type SenderReport = {
  readonly type: "sender-report";
  readonly ssrc: number;
  /** Wall-clock time of the same instant as {@link rtpTime}. */
  readonly ntp: NtpTime;
  readonly rtpTime: RtpTime;
  /** Since the stream's start; sent modulo 2^32. */
  readonly packets: number;
  /** Payload octets since the stream's start, without headers and padding; sent modulo 2^32. */
  readonly octets: number;
  /** At most 31. */
  readonly blocks: readonly ReportBlock[];
};

const NTP_AT = 4;
const RTP_TIME_AT = NTP_AT + 8;
const PACKETS_AT = RTP_TIME_AT + 4;
const OCTETS_AT = PACKETS_AT + 4;
const BLOCKS_AT = OCTETS_AT + 4;

export function senderReportBytes(report: SenderReport): number {
  return RTCP_HEADER_BYTES + BLOCKS_AT + REPORT_BLOCK_BYTES * report.blocks.length;
}

/** @returns the offset after the packet. */
export function encodeSenderReport(report: SenderReport, view: DataView, at: number): number {
  checkCount(report.blocks.length);
  const body = encodeRtcpHeader(view, at, report.blocks.length, RtcpType.SENDER_REPORT, senderReportBytes(report));
  view.setUint32(body, report.ssrc);
  view.setUint32(body + NTP_AT, report.ntp.seconds);
  view.setUint32(body + NTP_AT + 4, report.ntp.fraction);
  view.setUint32(body + RTP_TIME_AT, report.rtpTime);
  view.setUint32(body + PACKETS_AT, report.packets);
  view.setUint32(body + OCTETS_AT, report.octets);
  return encodeReportBlocks(report.blocks, view, body + BLOCKS_AT);
}

/** @throws ProtocolFault `rtcp-malformed`. */
export function decodeSenderReport(text: string, header: RtcpHeader): SenderReport {
  const body = header.start;
  requireBytes(header, body + BLOCKS_AT);
  return {
    type: "sender-report",
    ssrc: uint32At(text, body),
    ntp: { seconds: uint32At(text, body + NTP_AT), fraction: uint32At(text, body + NTP_AT + 4) },
    rtpTime: uint32At(text, body + RTP_TIME_AT),
    packets: uint32At(text, body + PACKETS_AT),
    octets: uint32At(text, body + OCTETS_AT),
    blocks: decodeReportBlocks(text, header, body + BLOCKS_AT),
  };
}
