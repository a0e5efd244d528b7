/**
 * Sequence parameter set (ITU-T H.264 section 7.3.2.1.1), as far as a server needs it: profile, level, picture size.
 * Row 1.
 *
 *     byte 0        NAL unit header
 *     byte 1        profile_idc
 *     byte 2        constraint_set flags and two reserved bits
 *     byte 3        level_idc
 *     byte 4 …      Exp-Golomb coded fields (section 9.1)
 */
import { bytesOfText, hex } from "../bytes/text.ts";
import { NalType, nalType, withoutStartCode } from "./h264-nal.ts";

/** What a sequence parameter set says. */
export type SequenceParameters = {
  /** `profile-level-id` of RFC 6184 section 8.1: profile, constraints and level as six lower-case hex digits. */
  readonly profileLevelId: string;
  /** profile_idc, such as 66 for Baseline. */
  readonly profile: number;
  /** level_idc, such as 31 for level 3.1. */
  readonly level: number;
  /** seq_parameter_set_id, 0 … 31. */
  readonly id: number;
  /** Pixels after cropping. */
  readonly width: number;
  readonly height: number;
  /** chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  /** True when pictures may be fields. */
  readonly interlaced: boolean;
};

/** In a few words, why a text isn't a usable set. */
export type SequenceParametersRefusal = { readonly reason: string };

/** Encoders write 10 to 60 bytes; hosts hand over at most 512. */
export const SPS_MAX_BYTES = 1024;
/** No level of table A-1 allows a side this long. */
const SIDE_MAX_PIXELS = 16_384;
const MACROBLOCK_PIXELS = 16;
const SPS_ID_MAX = 31;
/** num_ref_frames_in_pic_order_cnt_cycle (section 7.4.2.1.1). */
const ORDER_COUNT_CYCLE_MAX = 255;
/** The profiles whose sets carry the chroma and scaling fields. */
const CHROMA_PROFILES: readonly number[] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/** Parses a set given as host text, with or without a start code before it. Never throws. */
export function parseSequenceParameters(text: string): SequenceParameters | SequenceParametersRefusal {
  if (text.length > SPS_MAX_BYTES) return refuse(`longer than ${SPS_MAX_BYTES} bytes`);
  const nal = withoutStartCode(text);
  if (nal.length < 5) return refuse(`only ${nal.length} bytes`);
  if (nalType(nal) !== NalType.SPS) return refuse(`NAL unit type ${nalType(nal)}, not ${NalType.SPS}`);

  const rbsp = withoutEmulationPrevention(bytesOfText(nal));
  const bits = new BitReader(rbsp, 8);
  const profile = bits.fixed(8);
  bits.fixed(8);
  const level = bits.fixed(8);
  const id = bits.unsigned();
  if (id > SPS_ID_MAX) return refuse(`seq_parameter_set_id ${id} above ${SPS_ID_MAX}`);

  let chromaFormat = 1;
  if (CHROMA_PROFILES.includes(profile)) {
    chromaFormat = bits.unsigned();
    if (chromaFormat > 3) return refuse(`chroma_format_idc ${chromaFormat} above 3`);
    if (chromaFormat === 3) bits.flag(); // separate_colour_plane_flag
    bits.unsigned(); // bit_depth_luma_minus8
    bits.unsigned(); // bit_depth_chroma_minus8
    bits.flag(); // qpprime_y_zero_transform_bypass_flag
    if (bits.flag()) {
      const lists = chromaFormat === 3 ? 12 : 8;
      for (let i = 0; i < lists; i++) if (bits.flag()) skipScalingList(bits, i < 6 ? 16 : 64);
    }
  }
  bits.unsigned(); // log2_max_frame_num_minus4
  const orderCountType = bits.unsigned();
  if (orderCountType === 0) {
    bits.unsigned(); // log2_max_pic_order_cnt_lsb_minus4
  } else if (orderCountType === 1) {
    bits.flag(); // delta_pic_order_always_zero_flag
    bits.signed(); // offset_for_non_ref_pic
    bits.signed(); // offset_for_top_to_bottom_field
    const cycle = bits.unsigned();
    if (cycle > ORDER_COUNT_CYCLE_MAX) return refuse(`picture order count cycle of ${cycle}`);
    for (let i = 0; i < cycle; i++) bits.signed();
  } else if (orderCountType !== 2) {
    return refuse(`pic_order_cnt_type ${orderCountType} above 2`);
  }
  bits.unsigned(); // max_num_ref_frames
  bits.flag(); // gaps_in_frame_num_value_allowed_flag
  const widthInMacroblocks = bits.unsigned() + 1;
  const heightInMapUnits = bits.unsigned() + 1;
  const framesOnly = bits.flag();
  if (!framesOnly) bits.flag(); // mb_adaptive_frame_field_flag
  bits.flag(); // direct_8x8_inference_flag
  let cropLeft = 0;
  let cropRight = 0;
  let cropTop = 0;
  let cropBottom = 0;
  if (bits.flag()) {
    cropLeft = bits.unsigned();
    cropRight = bits.unsigned();
    cropTop = bits.unsigned();
    cropBottom = bits.unsigned();
  }
  // What follows (VUI) says nothing that a server needs, so a set cut there still serves.
  if (bits.failed) return refuse("ends inside a field");

  // Crop units of section 7.4.2.1.1, equations 7-19 to 7-22.
  const fieldFactor = framesOnly ? 1 : 2;
  const subsampledX = chromaFormat === 1 || chromaFormat === 2;
  const subsampledY = chromaFormat === 1;
  const width = widthInMacroblocks * MACROBLOCK_PIXELS - (cropLeft + cropRight) * (subsampledX ? 2 : 1);
  const height =
    heightInMapUnits * MACROBLOCK_PIXELS * fieldFactor - (cropTop + cropBottom) * (subsampledY ? 2 : 1) * fieldFactor;
  if (width < 1 || height < 1 || width > SIDE_MAX_PIXELS || height > SIDE_MAX_PIXELS) {
    return refuse(`size ${width}x${height} outside 1 to ${SIDE_MAX_PIXELS}`);
  }
  return {
    profileLevelId: hex(rbsp.subarray(1, 4)),
    profile,
    level,
    id,
    width,
    height,
    chromaFormat,
    interlaced: !framesOnly,
  };
}

function refuse(reason: string): SequenceParametersRefusal {
  return { reason };
}

/** The RBSP: each 00 00 03 loses its 03 (section 7.4.1). */
function withoutEmulationPrevention(nal: Uint8Array): Uint8Array {
  const rbsp = new Uint8Array(nal.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    rbsp[length++] = byte;
  }
  return rbsp.subarray(0, length);
}

/** Reads past a scaling list (section 7.3.2.1.1.1). */
function skipScalingList(bits: BitReader, size: 16 | 64): void {
  let last = 8;
  let next = 8;
  for (let i = 0; i < size && next !== 0; i++) {
    next = (last + bits.signed() + 256) & 0xff;
    if (next !== 0) last = next;
  }
}

/** Longest run of zeros before an Exp-Golomb code's one: more would be a value past 32 bits. */
const LEADING_ZEROS_MAX = 31;

/** Bits of an RBSP, most significant first. Past the end every read gives 0 and {@link failed} stays true. */
class BitReader {
  failed = false;
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, firstBit: number) {
    this.#bytes = bytes;
    this.#at = firstBit;
  }

  flag(): boolean {
    return this.fixed(1) === 1;
  }

  /** u(n), n up to 31. */
  fixed(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const byte = this.#bytes[this.#at >> 3];
      if (byte === undefined) {
        this.failed = true;
        return 0;
      }
      value = (value << 1) | ((byte >> (7 - (this.#at & 7))) & 1);
      this.#at++;
    }
    return value;
  }

  /** ue(v), 0 … 2^32-2 (section 9.1). */
  unsigned(): number {
    let zeros = 0;
    while (!this.flag()) {
      zeros++;
      if (this.failed || zeros > LEADING_ZEROS_MAX) {
        this.failed = true;
        return 0;
      }
    }
    return 2 ** zeros - 1 + this.fixed(zeros);
  }

  /** se(v) (section 9.1.1). */
  signed(): number {
    const code = this.unsigned();
    return code % 2 === 0 ? -code / 2 : (code + 1) / 2;
  }
}
