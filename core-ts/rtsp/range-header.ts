/**
 * The Range header of PLAY (RFC 2326 section 12.29; npt is section 3.6). Row 1.
 *
 * A live camera has one position: now. Every well-formed npt range is therefore taken, and the reply says what is played;
 * refusing would end the clients that go on after PAUSE with the time that has passed (ffmpeg, GStreamer).
 */
import { ProtocolFault } from "../errors.ts";

/** What the reply to PLAY says. */
export const LIVE_RANGE = "npt=now-";

/** Seconds or `now`; undefined where the range leaves it open. */
export type NptRange = { readonly start: number | "now" | undefined; readonly end: number | undefined };

const SECONDS = String.raw`\d{1,10}(?:\.\d{0,9})?`;
const CLOCK = String.raw`\d{1,6}:\d{1,2}:\d{1,2}(?:\.\d{0,9})?`;
const NPT = new RegExp(`^npt\\s*=\\s*(now|${SECONDS}|${CLOCK})?\\s*-\\s*(${SECONDS}|${CLOCK})?$`, "i");

/**
 * @throws ProtocolFault 457 for `smpte=` and `clock=`, which name a time other than now; 501 for another unit (section
 *   12.29 asks for that); 400 for an npt range that can't be read. None is fatal.
 */
export function parseRange(value: string): NptRange {
  const range = value.split(";", 1)[0]!.trim();
  const match = NPT.exec(range);
  if (match !== null && (match[1] ?? match[2]) !== undefined) {
    return {
      start: match[1]?.toLowerCase() === "now" ? "now" : parseNpt(match[1]),
      end: parseNpt(match[2]),
    };
  }
  const unit = range.split("=", 1)[0]!.trim().toLowerCase();
  if (unit === "npt") throw new ProtocolFault("range", 400, "the Range header holds an npt range that can't be read");
  if (unit === "clock" || unit.startsWith("smpte")) {
    throw new ProtocolFault("range-not-live", 457, "a live stream can't be played from a given time");
  }
  throw new ProtocolFault("range-unit", 501, "the Range header has an unknown unit");
}

function parseNpt(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text.split(":").reduce((total, part) => total * 60 + Number(part), 0);
}
