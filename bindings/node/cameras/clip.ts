/**
 * A clip: a file's frames, found once at loading and played many times. Frames are parts of the file's one buffer.
 */
import { readFileSync, statSync } from "node:fs";
import { NalType, nalType } from "../../../core-ts/media/h264-nal.ts";
import { parseSequenceParameters } from "../../../core-ts/media/h264-sps.ts";
import type { EncodedFormat, EncodedFrame } from "../camera-source.ts";
import { annexBUnits, jpegUnits } from "../frame-units.ts";
import { splitAccessUnits } from "./access-units.ts";
import { CameraFault } from "./camera-fault.ts";
import { JpegSplitter } from "./jpeg-splitter.ts";

/** A clip lies in memory while its camera exists. */
export const CLIP_MAX_BYTES = 512 * 1024 * 1024;

/** A frame but for its time, and the format that holds for it: the same object until something in it changes. */
export type ClipFrame = Omit<EncodedFrame, "timeUs"> & { readonly format: EncodedFormat };

export type Clip = {
  readonly codec: "h264" | "jpeg";
  /** At least one, and the first is a key frame. */
  readonly frames: readonly ClipFrame[];
};

/** @throws CameraFault when there is no such file or it is no clip; the message names the file. */
export function loadClip(path: string): Clip {
  let bytes: Buffer;
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new CameraFault("not a file");
    if (stats.size > CLIP_MAX_BYTES) throw new CameraFault(`larger than ${CLIP_MAX_BYTES} bytes`);
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof CameraFault) throw new CameraFault(`clip ${path}: ${error.message}`);
    if (code === "ENOENT") throw new CameraFault(`clip ${path}: no such file`);
    if (code !== undefined) throw new CameraFault(`clip ${path}: can't be read (${code})`);
    throw error;
  }
  try {
    return parseClip(bytes);
  } catch (error) {
    if (error instanceof CameraFault) throw new CameraFault(`clip ${path}: ${error.message}`);
    throw error;
  }
}

/** An Annex-B stream or concatenated JPEG images, told apart by the first bytes. @throws CameraFault for anything else. */
export function parseClip(bytes: Buffer): Clip {
  if (bytes.length === 0) throw new CameraFault("empty");
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return parseJpegClip(bytes);
  if (bytes[0] === 0 && bytes[1] === 0 && (bytes[2] === 1 || (bytes[2] === 0 && bytes[3] === 1))) {
    return parseH264Clip(bytes);
  }
  throw new CameraFault("neither an H.264 byte stream (Annex B) nor JPEG images");
}

function parseJpegClip(bytes: Buffer): Clip {
  const splitter = new JpegSplitter();
  const images = splitter.feed(bytes);
  if (splitter.pending > 0) throw new CameraFault("the last JPEG image is cut short");
  let format: EncodedFormat | undefined;
  const frames = images.map(({ data }, index) => {
    const found = jpegUnits(data);
    if (found === undefined) throw new CameraFault(`JPEG image ${index} has no frame header or no scan`);
    const { units, width, height } = found;
    if (format?.width !== width || format.height !== height) {
      format = { codec: "jpeg", width, height, parameterSets: [] };
    }
    return { data, key: true, units, format };
  });
  return { codec: "jpeg", frames };
}

function parseH264Clip(bytes: Buffer): Clip {
  const frames: ClipFrame[] = [];
  let sps: readonly string[] = [];
  let pps: readonly string[] = [];
  let format: EncodedFormat | undefined;
  for (const { start, end } of splitAccessUnits(bytes)) {
    const data = bytes.subarray(start, end);
    const { units, key, parameterSets } = annexBUnits(data);
    const newSps = ofType(parameterSets, NalType.SPS);
    const newPps = ofType(parameterSets, NalType.PPS);
    if (newSps.length > 0) sps = newSps;
    if (newPps.length > 0) pps = newPps;
    // Nothing can be decoded before the first key frame that has its parameter sets.
    if (frames.length === 0 && (!key || sps.length === 0 || pps.length === 0)) continue;
    if (
      format === undefined ||
      (newSps.length + newPps.length > 0 && !sameTexts(format.parameterSets, [...sps, ...pps]))
    ) {
      format = h264Format([...sps, ...pps]);
    }
    frames.push({ data, key, units, format });
  }
  if (frames.length === 0) throw new CameraFault("no IDR picture with parameter sets before it");
  return { codec: "h264", frames };
}

/** The format that a set of parameter sets describes. @throws CameraFault when the size can't be read from the SPS. */
export function h264Format(sets: readonly string[]): EncodedFormat {
  const parsed = parseSequenceParameters(sets[0] ?? "");
  if ("reason" in parsed) throw new CameraFault(`sequence parameter set: ${parsed.reason}`);
  if (parsed.interlaced) throw new CameraFault("interlaced H.264 isn't supported");
  return { codec: "h264", width: parsed.width, height: parsed.height, parameterSets: sets };
}

/** The different NAL units of one type, in order. */
function ofType(sets: readonly string[], type: number): string[] {
  return [...new Set(sets)].filter((set) => nalType(set) === type);
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}

/** Position of the first key frame at or after `position`, past the end from the beginning. */
export function nextKey(clip: Clip, position: number): number {
  for (let i = 0; i < clip.frames.length; i++) {
    const at = (position + i) % clip.frames.length;
    if (clip.frames[at]!.key) return at;
  }
  return 0;
}
