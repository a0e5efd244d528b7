/**
 * Feedback packets (RFC 4585 section 6.1) that ask for a key frame: picture loss indication (section 6.3.1) and full
 * intra request (RFC 5104 section 4.3.1). Only received. Row 1.
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                  SSRC of who sends this                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                  SSRC of the media source                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |   FIR only: SSRC of the source, then sequence number and 24 zero bits; once or more
 */
import { byteAt, uint32At } from "../bytes/text.ts";
import { type RtcpHeader, RtcpType, requireBytes } from "./rtcp-header.ts";

/** A receiver has lost a picture and needs a new key frame. */
export type PictureLoss = { readonly type: "picture-loss"; readonly ssrc: number; readonly mediaSsrc: number };

/** A receiver can't decode without a new key frame. */
export type FullIntraRequest = {
  readonly type: "full-intra-request";
  readonly ssrc: number;
  /** `sequence`, modulo 256, stays the same when a request is repeated. */
  readonly requests: readonly { readonly mediaSsrc: number; readonly sequence: number }[];
};

/** Other feedback: lost packets, bandwidth. `format` is the FMT field, 0 … 31. */
export type OtherFeedback = {
  readonly type: "feedback";
  readonly about: "transport" | "payload";
  readonly format: number;
  readonly ssrc: number;
  readonly mediaSsrc: number;
};

const MEDIA_SSRC_AT = 4;
const CONTROL_AT = MEDIA_SSRC_AT + 4;
const FORMAT_PICTURE_LOSS = 1;
const FORMAT_FULL_INTRA_REQUEST = 4;
const FULL_INTRA_ENTRY_BYTES = 8;

/** @throws ProtocolFault `rtcp-malformed`. */
export function decodeFeedback(text: string, header: RtcpHeader): PictureLoss | FullIntraRequest | OtherFeedback {
  const control = header.start + CONTROL_AT;
  requireBytes(header, control);
  const ssrc = uint32At(text, header.start);
  const mediaSsrc = uint32At(text, header.start + MEDIA_SSRC_AT);
  const payload = header.packetType === RtcpType.PAYLOAD_FEEDBACK;
  if (payload && header.count === FORMAT_PICTURE_LOSS) return { type: "picture-loss", ssrc, mediaSsrc };
  if (payload && header.count === FORMAT_FULL_INTRA_REQUEST) {
    // RFC 5104 wants at least one entry.
    requireBytes(header, control + FULL_INTRA_ENTRY_BYTES);
    const requests: { mediaSsrc: number; sequence: number }[] = [];
    for (let at = control; at + FULL_INTRA_ENTRY_BYTES <= header.end; at += FULL_INTRA_ENTRY_BYTES) {
      requests.push({ mediaSsrc: uint32At(text, at), sequence: byteAt(text, at + 4) });
    }
    return { type: "full-intra-request", ssrc, requests };
  }
  return { type: "feedback", about: payload ? "payload" : "transport", format: header.count, ssrc, mediaSsrc };
}
