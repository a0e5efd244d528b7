/**
 * The RTP-Info header of a PLAY reply (RFC 2326 section 12.33). Row 1.
 *
 * Either exact or left out: GStreamer and ffmpeg take `rtptime` as the base of their clock.
 */
import type { RtpTime } from "../time/units.ts";

export type RtpInfoEntry = {
  /** The control URL as the client knows it: Content-Base followed by `trackID=N`. ffmpeg compares the text. */
  readonly url: string;
  /** Sequence number of the first packet, modulo 2^16. */
  readonly seq: number;
  /** Its RTP timestamp, modulo 2^32. */
  readonly rtptime: RtpTime;
};

/** The header's value; one entry a track, in the order of SETUP. */
export function formatRtpInfo(entries: readonly RtpInfoEntry[]): string {
  return entries.map(({ url, seq, rtptime }) => `url=${url};seq=${seq & 0xffff};rtptime=${rtptime >>> 0}`).join(",");
}
