/**
 * The one-byte header of an H.264 NAL unit (ITU-T H.264 section 7.3.1 and table 7-1). Row 1.
 *
 *      0 1 2 3 4 5 6 7
 *     +-+-+-+-+-+-+-+-+
 *     |F|NRI|  type   |     F: forbidden_zero_bit, NRI: nal_ref_idc
 *     +-+-+-+-+-+-+-+-+
 */
import { byteAt } from "../bytes/text.ts";
import type { MediaUnit } from "./frame-unit.ts";

/** The NAL unit types of table 7-1 that a camera's encoder writes. */
export const NalType = {
  SLICE: 1,
  IDR_SLICE: 5,
  SEI: 6,
  SPS: 7,
  PPS: 8,
  ACCESS_UNIT_DELIMITER: 9,
  END_OF_SEQUENCE: 10,
  END_OF_STREAM: 11,
  FILLER: 12,
} as const;

const TYPE_MASK = 0x1f;

/** nal_unit_type, 0 … 31, of a NAL unit given as host text. Of nothing: 0, which table 7-1 leaves unspecified. */
export function nalType(nal: string): number {
  return nal.length === 0 ? 0 : byteAt(nal, 0) & TYPE_MASK;
}

/** nal_unit_type, 0 … 31, of a frame's unit. */
export function nalTypeOf(unit: MediaUnit): number {
  return nalType(unit.head);
}

/** True for a slice of an IDR picture: decoding can begin here. */
export function isIdr(unit: MediaUnit): boolean {
  return nalTypeOf(unit) === NalType.IDR_SLICE;
}

/** True for a sequence or picture parameter set. */
export function isParameterSet(unit: MediaUnit): boolean {
  const type = nalTypeOf(unit);
  return type === NalType.SPS || type === NalType.PPS;
}

/** True when one of an access unit's units is an IDR slice. Codecs' own key flags are not always right. */
export function holdsIdr(units: readonly MediaUnit[]): boolean {
  for (let i = 0; i < units.length; i++) if (isIdr(units[i]!)) return true;
  return false;
}

/**
 * A NAL unit given as host text, without the start code before it and the zero bytes after it (H.264 annex B.1.1).
 * Codecs hand out parameter sets either way, and a start code inside `sprop-parameter-sets` stops some decoders.
 */
export function withoutStartCode(text: string): string {
  let zeros = 0;
  while (zeros < text.length && byteAt(text, zeros) === 0) zeros++;
  const start = zeros >= 2 && zeros < text.length && byteAt(text, zeros) === 1 ? zeros + 1 : 0;
  let end = text.length;
  // A NAL unit never ends in a zero byte (section 7.4.1): these are trailing_zero_8bits of the byte stream.
  while (end > start && byteAt(text, end - 1) === 0) end--;
  return text.slice(start, end);
}
