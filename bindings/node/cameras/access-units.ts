/**
 * Cuts an Annex-B byte stream (ITU-T H.264 annex B) into access units (section 7.4.1.2.3).
 *
 * After a picture's slices the next access unit begins with the first delimiter, parameter set, SEI or prefix NAL unit
 * (types 6 … 9 and 14 … 18), or with a slice whose first_mb_in_slice is 0: the next picture of a stream without arbitrary
 * slice order. Two fields of one frame would count as two pictures; callers refuse interlaced streams.
 */

const START_CODE = Buffer.of(0, 0, 1);
const SLICE = 1;
const PARTITION_A = 2;
const IDR_SLICE = 5;

/** Bytes `start` … `end` of the stream, the first start code included. */
export type AccessUnit = { readonly start: number; readonly end: number };

export function splitAccessUnits(stream: Buffer): AccessUnit[] {
  const units: AccessUnit[] = [];
  let start = -1;
  let hasSlice = false;
  for (let code = stream.indexOf(START_CODE); code >= 0; code = stream.indexOf(START_CODE, code + 3)) {
    const nal = code + 3;
    if (nal >= stream.length) break;
    const type = stream[nal]! & 0x1f;
    // A start code may be four bytes long; further zeros before it trail the unit before.
    const codeStart = code > 0 && stream[code - 1] === 0 ? code - 1 : code;
    if (start < 0) start = codeStart;
    // first_mb_in_slice is the slice header's first field; ue(v) of 0 is one bit 1.
    const slice = type === SLICE || type === PARTITION_A || type === IDR_SLICE;
    const firstSlice = slice && nal + 1 < stream.length && (stream[nal + 1]! & 0x80) !== 0;
    const opens = firstSlice || (type >= 6 && type <= 9) || (type >= 14 && type <= 18);
    if (hasSlice && opens) {
      units.push({ start, end: codeStart });
      start = codeStart;
      hasSlice = false;
    }
    if (slice) hasSlice = true;
  }
  // What follows the last slice without a picture of its own is no access unit.
  if (hasSlice) units.push({ start, end: stream.length });
  return units;
}
