/**
 * Receiver report (RFC 3550 section 6.4.2) and the report block that sender reports have too (section 6.4.1). Row 1.
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                 SSRC of who sends the report                  |
 *     +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *     |                 SSRC of the reported source                   |   report block, count times
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | fraction lost |            cumulative lost (signed)           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |               extended highest sequence number                |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                            jitter                             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                     last SR (LSR)                             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                delay since last SR (DLSR)                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { byteAt, uint32At } from "../bytes/text.ts";
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import {
  checkCount,
  encodeRtcpHeader,
  RTCP_HEADER_BYTES,
  type RtcpHeader,
  RtcpType,
  requireBytes,
} from "./rtcp-header.ts";

/** How one source arrives at a receiver. */
export type ReportBlock = {
  /** The reported source. */
  readonly ssrc: number;
  /** Lost since the previous report, in 256ths: 0 … 255. */
  readonly fractionLost: number;
  /** Lost since the beginning, -2^23 … 2^23-1; negative with duplicates. */
  readonly cumulativeLost: number;
  /** Highest sequence number received; the upper 16 bits count its wraps. */
  readonly extendedHighestSequence: number;
  /** Interarrival jitter in timestamp units. */
  readonly jitter: number;
  /** Middle 32 bits of the last sender report's NTP time; 0 for none yet. */
  readonly lastSenderReport: number;
  /** Since that report came, in 65,536ths of a second. */
  readonly delaySinceLastSenderReport: number;
};

export type ReceiverReport = {
  readonly type: "receiver-report";
  /** Who reports. */
  readonly ssrc: number;
  /** At most 31. */
  readonly blocks: readonly ReportBlock[];
};

const SSRC_BYTES = 4;
export const REPORT_BLOCK_BYTES = 24;
const FRACTION_AT = 4;
const CUMULATIVE_AT = FRACTION_AT + 1;
const SEQUENCE_AT = CUMULATIVE_AT + 3;
const JITTER_AT = SEQUENCE_AT + 4;
const LSR_AT = JITTER_AT + 4;
const DLSR_AT = LSR_AT + 4;

export function receiverReportBytes(report: ReceiverReport): number {
  return RTCP_HEADER_BYTES + SSRC_BYTES + REPORT_BLOCK_BYTES * report.blocks.length;
}

/** @returns the offset after the packet. */
export function encodeReceiverReport(report: ReceiverReport, view: DataView, at: number): number {
  checkCount(report.blocks.length);
  const count = report.blocks.length;
  const body = encodeRtcpHeader(view, at, count, RtcpType.RECEIVER_REPORT, receiverReportBytes(report));
  view.setUint32(body, report.ssrc);
  return encodeReportBlocks(report.blocks, view, body + SSRC_BYTES);
}

/** @throws ProtocolFault `rtcp-malformed`. */
export function decodeReceiverReport(text: string, header: RtcpHeader): ReceiverReport {
  requireBytes(header, header.start + SSRC_BYTES);
  return {
    type: "receiver-report",
    ssrc: uint32At(text, header.start),
    blocks: decodeReportBlocks(text, header, header.start + SSRC_BYTES),
  };
}

/** @returns the offset after the blocks. */
export function encodeReportBlocks(blocks: readonly ReportBlock[], view: DataView, at: number): number {
  for (const block of blocks) {
    view.setUint32(at, block.ssrc);
    view.setUint32(at + FRACTION_AT, block.cumulativeLost & 0xffffff);
    view.setUint8(at + FRACTION_AT, block.fractionLost);
    view.setUint32(at + SEQUENCE_AT, block.extendedHighestSequence);
    view.setUint32(at + JITTER_AT, block.jitter);
    view.setUint32(at + LSR_AT, block.lastSenderReport);
    view.setUint32(at + DLSR_AT, block.delaySinceLastSenderReport);
    at += REPORT_BLOCK_BYTES;
  }
  return at;
}

/** As many blocks as the header counts; what follows them is a profile's extension. @throws ProtocolFault. */
export function decodeReportBlocks(text: string, header: RtcpHeader, start: number): ReportBlock[] {
  requireBytes(header, start + REPORT_BLOCK_BYTES * header.count);
  const blocks: ReportBlock[] = [];
  for (let at = start; blocks.length < header.count; at += REPORT_BLOCK_BYTES) {
    blocks.push({
      ssrc: uint32At(text, at),
      fractionLost: byteAt(text, at + FRACTION_AT),
      // The shifts spread the sign of 24 bits.
      cumulativeLost: (uint32At(text, at + FRACTION_AT) << 8) >> 8,
      extendedHighestSequence: uint32At(text, at + SEQUENCE_AT),
      jitter: uint32At(text, at + JITTER_AT),
      lastSenderReport: uint32At(text, at + LSR_AT),
      delaySinceLastSenderReport: uint32At(text, at + DLSR_AT),
    });
  }
  return blocks;
}

const NTP_SHORT_PER_SECOND = 65_536;

/**
 * The round trip that a report block tells (section 6.4.1): now - LSR - DLSR, modulo 2^32.
 * @param nowNtpMiddle middle 32 bits of the NTP time at which the report came, by the clock that stamps sender reports.
 * @returns undefined when the receiver has had no sender report yet, or when the result would be negative: the clock
 *   has stepped, or the receiver makes its numbers up.
 */
export function roundTripUs(block: ReportBlock, nowNtpMiddle: number): Micros | undefined {
  if (block.lastSenderReport === 0) return undefined;
  const elapsed = (nowNtpMiddle - block.lastSenderReport - block.delaySinceLastSenderReport) | 0;
  return elapsed < 0 ? undefined : Math.round((elapsed * MICROS_PER_SECOND) / NTP_SHORT_PER_SECOND);
}
