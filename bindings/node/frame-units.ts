/**
 * Finds the units of an encoded frame: NAL units of an Annex-B access unit (ITU-T H.264 Annex B), and the two parts of a
 * JPEG image (ITU-T T.81 Annex B). Host side, pure.
 *
 * Only boundaries are found here; what stands in the heads is for the core to parse.
 */
import { HEAD_JPEG_BYTES, HEAD_PARAMETER_SET_BYTES, HEAD_SLICE_BYTES } from "../contract/host.ts";
import type { EncodedUnit } from "./camera-source.ts";
import { hostText } from "./host-text.ts";

const START_CODE = Buffer.from([0, 0, 1]);

const NAL_IDR = 5;
const NAL_SEI = 6;
const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_SPS_EXTENSION = 13;
const NAL_SUBSET_SPS = 15;
/** Units whose head is the whole unit. */
const WHOLE_HEAD = new Set([NAL_SEI, NAL_SPS, NAL_PPS, NAL_SPS_EXTENSION, NAL_SUBSET_SPS]);

/** What {@link annexBUnits} finds. */
export type AnnexBUnits = {
  readonly units: readonly EncodedUnit[];
  /** An IDR slice is among them. */
  readonly key: boolean;
  /** SPS and PPS among them as host text, in their order. */
  readonly parameterSets: readonly string[];
};

/**
 * The NAL units of an access unit, without start codes of three or four bytes and without the zeros that may trail a unit.
 * Bytes before the first start code belong to no unit; without a start code there is none.
 */
export function annexBUnits(frame: Buffer): AnnexBUnits {
  const units: EncodedUnit[] = [];
  const parameterSets: string[] = [];
  let key = false;
  let startCode = frame.indexOf(START_CODE);
  while (startCode >= 0) {
    const offset = startCode + START_CODE.length;
    startCode = frame.indexOf(START_CODE, offset);
    let end = startCode < 0 ? frame.length : startCode;
    // A NAL unit never ends in 0: these are trailing_zero_8bits, or the zero_byte of the next start code.
    while (end > offset && frame[end - 1] === 0) end -= 1;
    const length = end - offset;
    if (length === 0) continue;
    const type = frame[offset]! & 31;
    const headBytes = WHOLE_HEAD.has(type) ? HEAD_PARAMETER_SET_BYTES : HEAD_SLICE_BYTES;
    units.push({ offset, length, head: hostText(frame.subarray(offset, offset + Math.min(length, headBytes))) });
    if (type === NAL_IDR) key = true;
    if (type === NAL_SPS || type === NAL_PPS) parameterSets.push(hostText(frame.subarray(offset, end)));
  }
  return { units, key, parameterSets };
}

const MARKER = 0xff;
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const RST0 = 0xd0;
const RST7 = 0xd7;
const TEM = 0x01;
const SOF0 = 0xc0;
const SOF15 = 0xcf;
/** Markers in the range of the frame headers that are none: DHT, JPG, DAC. */
const NOT_FRAME_HEADERS = new Set([0xc4, 0xc8, 0xcc]);

/** What {@link jpegUnits} finds: the units, and the size that the frame header gives. */
export type JpegUnits = {
  readonly units: readonly [EncodedUnit, EncodedUnit];
  readonly width: number;
  readonly height: number;
};

/**
 * The two units of a JPEG image: SOI through the SOS header's end, and the entropy-coded scan without EOI. Restart markers
 * stay in the scan, and so do further scans with their tables (progressive images). A missing EOI is forgiven.
 * @returns undefined when these bytes are no JPEG image with a frame header and a scan.
 */
export function jpegUnits(image: Buffer): JpegUnits | undefined {
  if (image[0] !== MARKER || image[1] !== SOI) return undefined;
  let size: { readonly width: number; readonly height: number } | undefined;
  let at = 2;
  for (;;) {
    const marker = markerAt(image, at);
    if (marker === undefined || marker.code === EOI) return undefined;
    at = marker.end;
    if (isStandalone(marker.code)) continue;
    const end = segmentEnd(image, at);
    if (end === undefined) return undefined;
    if (isFrameHeader(marker.code)) {
      // length 2, precision 1, height 2, width 2
      if (end < at + 7) return undefined;
      size = { height: image.readUInt16BE(at + 3), width: image.readUInt16BE(at + 5) };
    }
    at = end;
    if (marker.code === SOS) break;
  }
  const headersEnd = at;
  const scanEnd = findScanEnd(image, headersEnd);
  if (size === undefined || scanEnd === headersEnd) return undefined;
  const head = hostText(image.subarray(0, Math.min(headersEnd, HEAD_JPEG_BYTES)));
  return {
    units: [
      { offset: 0, length: headersEnd, head },
      { offset: headersEnd, length: scanEnd - headersEnd, head: "" },
    ],
    ...size,
  };
}

/** The marker at `at`, where any number of fill bytes FF may stand before the code (T.81 B.1.1.2). */
function markerAt(image: Buffer, at: number): { readonly code: number; readonly end: number } | undefined {
  if (image[at] !== MARKER) return undefined;
  let codeAt = at + 1;
  while (image[codeAt] === MARKER) codeAt += 1;
  const code = image[codeAt];
  return code === undefined || code === 0 ? undefined : { code, end: codeAt + 1 };
}

/** The end of the segment whose length field stands at `at`; undefined when it leaves the image. */
function segmentEnd(image: Buffer, at: number): number | undefined {
  if (at + 2 > image.length) return undefined;
  const length = image.readUInt16BE(at);
  return length < 2 || at + length > image.length ? undefined : at + length;
}

function isStandalone(code: number): boolean {
  return code === TEM || code === SOI || (code >= RST0 && code <= RST7);
}

function isFrameHeader(code: number): boolean {
  return code >= SOF0 && code <= SOF15 && !NOT_FRAME_HEADERS.has(code);
}

/** Where EOI begins, or the image's end without one. */
function findScanEnd(image: Buffer, scan: number): number {
  let at = image.indexOf(MARKER, scan);
  while (at >= 0) {
    const code = image[at + 1];
    if (code === EOI) return at;
    if (code === MARKER) {
      at += 1; // a fill byte
    } else if (code === undefined || code === 0 || isStandalone(code)) {
      at += 2;
    } else {
      // A later scan's tables or header, which may hold anything, FF D9 included.
      at = segmentEnd(image, at + 2) ?? image.length;
    }
    at = image.indexOf(MARKER, at);
  }
  return image.length;
}
