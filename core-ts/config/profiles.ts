/**
 * The streams: built-in ones, the operator's own, and what a path may look like. Row 1.
 */
import type { BitsPerSecond } from "../time/units.ts";
import { RTP_JPEG_MAX_PIXELS, RTP_JPEG_UNIT_PIXELS, type WrittenConfig } from "./schema.ts";

export type WrittenProfile = WrittenConfig["profiles"][number];

/** One stream, every value decided. */
export type Profile = {
  /** As written; compare with {@link pathKey}. */
  readonly path: string;
  /** A name in `cameras`. */
  readonly camera: string;
  readonly codec: "h264" | "mjpeg";
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Frames a second, 1 … 60; of MJPEG not yet capped by `mjpeg.fps`. */
  readonly fps: number;
  /** Of H.264. */
  readonly bitrate: BitsPerSecond;
  /** Of H.264: milliseconds between unasked key frames. */
  readonly keyIntervalMs: number;
  /** Of MJPEG: 1 … 100. */
  readonly quality: number;
  /** Whether RTSP serves it: always for H.264, for MJPEG unless switched off. */
  readonly rtsp: boolean;
  readonly adapt: AdaptSettings;
};

/** How far a stream may be made smaller for its viewers' networks. */
export type AdaptSettings = {
  readonly enabled: boolean;
  /** Of H.264. */
  readonly minBitrate: BitsPerSecond;
  /** Of MJPEG: 1 … 100, and frames a second. */
  readonly minQuality: number;
  readonly minFps: number;
};

const DEFAULT_SIZE = { width: 1_280, height: 720, fps: 25, bitrate: 2_000_000, quality: 80, rtsp: true } as const;
const builtin = (path: string, camera: string, codec: "h264" | "mjpeg"): Profile => ({
  path,
  camera,
  codec,
  ...DEFAULT_SIZE,
  keyIntervalMs: 2_000,
  adapt: { enabled: true, minBitrate: 300_000, minQuality: 30, minFps: 5 },
});

export const BUILTIN_PROFILES: readonly Profile[] = [
  builtin("/live/back", "back", "h264"),
  builtin("/live/front", "front", "h264"),
  builtin("/live/back/mjpeg", "back", "mjpeg"),
  builtin("/live/front/mjpeg", "front", "mjpeg"),
];

/** By this paths are compared: their case does not count. */
export function pathKey(path: string): string {
  return path.toLowerCase();
}

/** Built-in profiles first, each replaced in its place by an own one of the same path, then the other own ones. */
export function resolveProfiles(own: readonly WrittenProfile[], builtins: boolean): Profile[] {
  const byPath = new Map<string, Profile>();
  if (builtins) for (const profile of BUILTIN_PROFILES) byPath.set(pathKey(profile.path), profile);
  for (const { keyInterval, ...rest } of own) {
    byPath.set(pathKey(rest.path), { ...rest, keyIntervalMs: Math.round(keyInterval * 1_000) });
  }
  return [...byPath.values()];
}

/** First segments that HTTP needs for itself. */
const RESERVED_FIRST = ["api", "metrics"];
/** Last segment under which HTTP gives single pictures. */
const RESERVED_LAST = "snapshot.jpg";

/** What is wrong with a profile's path, or undefined. */
export function pathFault(path: string): string | undefined {
  if (!/^(?:\/[A-Za-z0-9._-]+)+$/.test(path)) {
    return "must be / followed by segments of letters, digits, `.`, `_` and `-`, without a / at the end";
  }
  const segments = pathKey(path).slice(1).split("/");
  if (segments.some((segment) => /^\.{1,2}$/.test(segment))) return "must not have `.` or `..` as a segment";
  if (RESERVED_FIRST.includes(segments[0]!)) return `must not begin with /${segments[0]}, which the server uses itself`;
  if (segments.at(-1) === RESERVED_LAST) return `must not end in /${RESERVED_LAST}, which the server uses itself`;
  if (segments.slice(0, -1).includes("mjpeg")) return "must have `mjpeg` as its last segment only";
  if (pathKey(path).includes("trackid")) return "must not contain `trackID`, which names tracks in RTSP";
  return undefined;
}

/** What is wrong with a profile's sizes, as (key, message). */
export function sizeFaults(profile: WrittenProfile): { key: "width" | "height" | "rtsp"; message: string }[] {
  const faults: { key: "width" | "height" | "rtsp"; message: string }[] = [];
  for (const key of ["width", "height"] as const) {
    const pixels = profile[key];
    if (profile.codec === "h264" && pixels % 2 !== 0) faults.push({ key, message: "must be even for H.264" });
    if (profile.codec !== "mjpeg" || !profile.rtsp) continue;
    if (pixels > RTP_JPEG_MAX_PIXELS || pixels % RTP_JPEG_UNIT_PIXELS !== 0) {
      faults.push({
        key,
        message:
          `must be a multiple of ${RTP_JPEG_UNIT_PIXELS} and at most ${RTP_JPEG_MAX_PIXELS} for MJPEG over RTSP, as RTP ` +
          'can describe no other size (RFC 2435); take another size, or add "rtsp": false to serve it over HTTP only',
      });
    }
  }
  if (profile.codec === "h264" && !profile.rtsp) {
    faults.push({ key: "rtsp", message: "must be true for H.264, which is served over RTSP only" });
  }
  return faults;
}
