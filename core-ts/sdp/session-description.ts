/**
 * Session description (RFC 8866) as the answer to DESCRIBE (RFC 2326 appendix C). Row 1.
 *
 * Written for readers that take lines apart by hand: CRLF ends every line, the fields stand in the specification's
 * order, `a=control` is `*` for the session and relative for each track, so that the client's own URL leads back here.
 *
 * There is no `a=recvonly` or `a=sendonly`: both sides of a description read it differently, and ONVIF clients take
 * `sendonly` for a back channel.
 */
import { base64Encode } from "../bytes/base64.ts";
import { bytesOfText } from "../bytes/text.ts";
import type { BitsPerSecond } from "../time/units.ts";

export type SessionDescription = {
  /** Decimal digits; with the version it names this description (section 5.2). */
  readonly sessionId: string;
  /** Decimal digits; rises when the description changes. */
  readonly sessionVersion: string;
  /** Shown to people. Line ends and other control characters are left out. */
  readonly name: string;
  /** The server's numeric address as the client sees it, without brackets. */
  readonly address: string;
  readonly media: readonly MediaDescription[];
};

export type MediaDescription = {
  readonly kind: "video" | "audio" | "application";
  /** 0 … 127. Each track its own: some clients tell tracks by it. */
  readonly payloadType: number;
  /** Encoding and clock rate, such as `H264/90000`; given for static types too, since strict parsers need it. */
  readonly rtpmap: string;
  /** Format parameters, without the payload type; {@link h264Fmtp} writes H.264's. */
  readonly fmtp?: string | undefined;
  /** Relative to the description's URL, such as `trackID=0`. */
  readonly control: string;
  readonly bitrate?: BitsPerSecond | undefined;
  /** Frames a second. */
  readonly framerate?: number | undefined;
  /** Pixels. */
  readonly dimensions?: { readonly width: number; readonly height: number } | undefined;
};

/** The description's text. */
export function formatSdp(description: SessionDescription): string {
  const family = description.address.includes(":") ? "IP6" : "IP4";
  const lines = [
    "v=0",
    `o=- ${description.sessionId} ${description.sessionVersion} IN ${family} ${description.address}`,
    `s=${oneLine(description.name) || "-"}`,
    // No multicast: the client's address is whatever SETUP says (RFC 2326 appendix C.1.7).
    `c=IN ${family} ${family === "IP6" ? "::" : "0.0.0.0"}`,
    "t=0 0",
    "a=control:*",
    "a=range:npt=now-",
  ];
  for (const media of description.media) lines.push(...mediaLines(media));
  return lines.map((line) => `${line}\r\n`).join("");
}

function mediaLines(media: MediaDescription): string[] {
  const { payloadType, bitrate, framerate, dimensions } = media;
  // Port 0: SETUP chooses (RFC 2326 appendix C.1.2).
  const lines = [`m=${media.kind} 0 RTP/AVP ${payloadType}`];
  if (bitrate !== undefined && bitrate > 0) lines.push(`b=AS:${Math.ceil(bitrate / 1000)}`);
  lines.push(`a=rtpmap:${payloadType} ${media.rtpmap}`);
  if (media.fmtp !== undefined && media.fmtp !== "") lines.push(`a=fmtp:${payloadType} ${media.fmtp}`);
  if (framerate !== undefined && framerate > 0) lines.push(`a=framerate:${Math.round(framerate * 1000) / 1000}`);
  if (dimensions !== undefined) {
    // RFC 6064 section 6.2, and what live555 reads instead.
    lines.push(`a=framesize:${payloadType} ${dimensions.width}-${dimensions.height}`);
    lines.push(`a=x-dimensions:${dimensions.width},${dimensions.height}`);
  }
  lines.push(`a=control:${media.control}`);
  return lines;
}

/** Text that stays within its line (section 5: no CR, LF or NUL). */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]/g, "").trim();
}

const NAL_TYPE_MASK = 0x1f;
const NAL_SPS = 7;
const NAL_PPS = 8;

/**
 * H.264's format parameters (RFC 6184 section 8.2.1).
 * @param sets SPS and PPS NAL units as host text, without start codes; other units are left out. Without any there is
 *   no `sprop-parameter-sets` at all: an empty one crashes players.
 * @param profileLevelId six hex digits of the SPS.
 */
export function h264Fmtp(sets: readonly string[], profileLevelId: string): string {
  const sprop = [NAL_SPS, NAL_PPS].flatMap((type) =>
    sets
      .map((set) => bytesOfText(set))
      .filter((set) => ((set[0] ?? 0) & NAL_TYPE_MASK) === type)
      .map(base64Encode),
  );
  const parameters = ["packetization-mode=1", `profile-level-id=${profileLevelId.toUpperCase()}`];
  if (sprop.length > 0) parameters.push(`sprop-parameter-sets=${sprop.join(",")}`);
  return parameters.join("; ");
}
