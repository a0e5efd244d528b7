/**
 * Goodbye (RFC 3550 section 6.6): a source ends. Row 1.
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                      SSRC, count times                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     length    | reason, UTF-8, then zeros up to the next word |   optional
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { byteAt, uint32At, utf8Bytes, utf8OfText } from "../bytes/text.ts";
import {
  checkCount,
  encodeRtcpHeader,
  paddedToWord,
  RTCP_HEADER_BYTES,
  type RtcpHeader,
  RtcpType,
  requireBytes,
} from "./rtcp-header.ts";

export type Goodbye = {
  readonly type: "goodbye";
  /** At most 31; none is allowed and says nothing. */
  readonly ssrcs: readonly number[];
  /** At most 255 bytes of UTF-8; longer is a bug of ours. */
  readonly reason: string | undefined;
};

const SSRC_BYTES = 4;
const REASON_MAX_BYTES = 255;

export function goodbyeBytes(goodbye: Goodbye): number {
  const reason = goodbye.reason === undefined ? 0 : paddedToWord(1 + utf8Bytes(goodbye.reason).length);
  return RTCP_HEADER_BYTES + SSRC_BYTES * goodbye.ssrcs.length + reason;
}

/** @returns the offset after the packet. */
export function encodeGoodbye(goodbye: Goodbye, view: DataView, at: number): number {
  checkCount(goodbye.ssrcs.length);
  const size = goodbyeBytes(goodbye);
  let ssrcAt = encodeRtcpHeader(view, at, goodbye.ssrcs.length, RtcpType.GOODBYE, size);
  for (const ssrc of goodbye.ssrcs) {
    view.setUint32(ssrcAt, ssrc);
    ssrcAt += SSRC_BYTES;
  }
  if (goodbye.reason !== undefined) {
    const reason = utf8Bytes(goodbye.reason);
    if (reason.length > REASON_MAX_BYTES) {
      throw new RangeError(`BYE reason of ${reason.length} bytes, at most ${REASON_MAX_BYTES}`);
    }
    view.setUint8(ssrcAt, reason.length);
    for (let i = 0; i < reason.length; i++) view.setInt8(ssrcAt + 1 + i, reason[i]!);
  }
  return at + size;
}

/** @throws ProtocolFault `rtcp-malformed`. */
export function decodeGoodbye(text: string, header: RtcpHeader): Goodbye {
  const reasonAt = header.start + SSRC_BYTES * header.count;
  requireBytes(header, reasonAt);
  const ssrcs: number[] = [];
  for (let at = header.start; at < reasonAt; at += SSRC_BYTES) ssrcs.push(uint32At(text, at));
  if (reasonAt >= header.end) return { type: "goodbye", ssrcs, reason: undefined };
  const end = reasonAt + 1 + byteAt(text, reasonAt);
  requireBytes(header, end);
  return { type: "goodbye", ssrcs, reason: utf8OfText(text.slice(reasonAt + 1, end)) };
}
