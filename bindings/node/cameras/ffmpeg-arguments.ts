/** The command line of an {@link FfmpegCamera}: a list of arguments that no shell ever sees. */
import { MICROS_PER_SECOND } from "../../../core-ts/time/units.ts";
import type { EncoderSpec } from "../../contract/host.ts";
import { quantizationTables } from "./jpeg-tables.ts";

export type FfmpegInput = {
  readonly kind: "file" | "v4l2" | "lavfi";
  /** A file's path, a device's path, a filter graph. */
  readonly target: string;
};

/** Longest wait for a key frame: ffmpeg can't be asked for one, so they come often. */
export const FFMPEG_KEY_INTERVAL_MAX_MS = 1000;
const DEFAULT_KEY_INTERVAL_MS = 1000;
const DEFAULT_BITRATE = 2_000_000;
const DEFAULT_QUALITY = 80;

export function ffmpegArguments(input: FfmpegInput, spec: EncoderSpec): string[] {
  return [
    ...["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"],
    ...inputArguments(input, spec),
    ...["-map", "0:v:0", "-vf", filters(spec)],
    ...(spec.codec === "h264" ? h264Arguments(spec) : jpegArguments(spec)),
    ...["-flush_packets", "1", "-f", spec.codec === "h264" ? "flv" : "mjpeg", "pipe:1"],
  ];
}

function inputArguments({ kind, target }: FfmpegInput, spec: EncoderSpec): string[] {
  // "file:" keeps a path with a colon from being taken for a protocol; the list keeps a playlist off the network.
  if (kind === "file") return ["-re", "-stream_loop", "-1", "-protocol_whitelist", "file", "-i", `file:${target}`];
  if (kind === "lavfi") return ["-re", "-f", "lavfi", "-i", target];
  // The driver takes the nearest size and rate that the device has; the filters make the rest.
  const turned = spec.rotation === 90 || spec.rotation === 270;
  const [width, height] = turned ? [spec.height, spec.width] : [spec.width, spec.height];
  const format = ["-f", "v4l2", "-framerate", `${spec.fps}`, "-video_size", `${width}x${height}`];
  return ["-fflags", "nobuffer", ...format, "-i", target];
}

/** Turned, mirrored, fitted into the size (bars where the shape differs) and brought to the rate. */
function filters({ width, height, fps, rotation, mirror }: EncoderSpec): string {
  // 4:2:0 has one chroma sample for two by two pixels.
  const [evenWidth, evenHeight] = [even(width), even(height)];
  const turns = { 0: [], 90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"] } as const;
  return [
    `fps=${fps}`,
    ...turns[rotation === "auto" ? 0 : rotation],
    ...(mirror ? ["hflip"] : []),
    `scale=${evenWidth}:${evenHeight}:force_original_aspect_ratio=decrease:force_divisible_by=2`,
    `pad=${evenWidth}:${evenHeight}:-1:-1`,
    "setsar=1",
  ].join(",");
}

function even(pixels: number): number {
  return Math.max(2, pixels - (pixels % 2));
}

function h264Arguments({ fps, bitrate = DEFAULT_BITRATE, keyIntervalMs }: EncoderSpec): string[] {
  const wantedMs = keyIntervalMs ?? DEFAULT_KEY_INTERVAL_MS;
  const keyFrames = Math.max(1, Math.round((Math.min(FFMPEG_KEY_INTERVAL_MAX_MS, wantedMs) * fps) / 1000));
  return [
    ...["-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", "baseline"],
    ...["-pix_fmt", "yuv420p", "-b:v", `${bitrate}`, "-maxrate", `${bitrate}`, "-bufsize", `${Math.ceil(bitrate / 2)}`],
    ...["-g", `${keyFrames}`, "-keyint_min", `${keyFrames}`, "-sc_threshold", "0"],
    // One slice a frame, as phones make them. 6 is SEI: x264 writes its command line into one.
    ...["-x264-params", "sliced-threads=0:threads=1:slices=1", "-bsf:v", "filter_units=remove_types=6"],
    ...["-flvflags", "no_duration_filesize+no_metadata"],
  ];
}

function jpegArguments({ quality = DEFAULT_QUALITY }: EncoderSpec): string[] {
  const { luma, chroma } = quantizationTables(quality);
  return [
    // Standard Huffman tables: RFC 2435 carries none. Two quantization tables, taken as they are (q 8 is eight eighths).
    ...["-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p", "-q:v", "8", "-qmin", "8", "-qmax", "8"],
    ...["-intra_matrix", luma.join(","), "-chroma_intra_matrix", chroma.join(",")],
    // Without it a comment with ffmpeg's version stands in every picture.
    ...["-flags", "+bitexact"],
  ];
}

/** Microseconds between two frames of a spec. */
export function frameIntervalUs(spec: EncoderSpec): number {
  return MICROS_PER_SECOND / spec.fps;
}
