/**
 * The headers of a JPEG picture (ITU-T T.81 annex B), SOI through the end of the SOS header, and whether RTP can carry
 * the picture (RFC 2435). Row 1.
 *
 * RTP/JPEG leaves all headers out: the receiver makes them again from a type, a size and the quantization tables, with
 * the Huffman tables of annex K. So the scan must have been made with just those: anything else shows as garbage.
 */
import { byteAt, uint16At } from "../bytes/text.ts";

/** A picture that RTP/JPEG can carry. */
export type JpegInfo = {
  /** Pixels, 1 … {@link RTP_JPEG_SIDE_MAX}. */
  readonly width: number;
  readonly height: number;
  /** RFC 2435 section 4.1: 0 is 4:2:2 (luma 2x1), 1 is 4:2:0 (luma 2x2). */
  readonly type: 0 | 1;
  /** MCUs between restart markers, 1 … 65,535; 0 for none. */
  readonly restartInterval: number;
  /** Luma then chroma, 64 bytes each in zigzag order as in the file. A file with one table for both gives it twice. */
  readonly quantizationTables: Int8Array;
};

/** Why RTP/JPEG can't carry a picture; stable words for logs and status. */
export type JpegObstacle =
  /** Not the headers of a JPEG picture, or ill-formed ones. */
  | "malformed"
  /** The headers go on past the text, which holds at most 2,048 bytes. */
  | "headers-too-long"
  /** Progressive, lossless, arithmetic or extended coding. */
  | "not-baseline"
  | "not-8-bit"
  /** More than 2,040 pixels a side, or a height that only follows the scan. */
  | "size"
  /** Other than three components with luma 2x1 or 2x2 and chroma 1x1. */
  | "sampling"
  /** A scan that does not hold all components. */
  | "several-scans"
  /** 16-bit, missing, or different for the two chroma components. */
  | "quantization-tables"
  /** Other than those of T.81 annex K.3. */
  | "huffman-tables";

/** RTP can't carry the picture: the stable word, and a sentence with the fact and the limit. */
export type JpegRefusal = { readonly obstacle: JpegObstacle; readonly reason: string };

/** RFC 2435 section 3.1.5: width and height travel as one byte each, in units of 8 pixels. */
export const RTP_JPEG_SIDE_MAX = 2040;
/** What hosts hand over of a picture's headers (`HEAD_JPEG_BYTES` of the contract). */
export const JPEG_HEADERS_MAX_BYTES = 2048;

const MARKER = 0xff;
const SOI = 0xd8;
const SOF0_BASELINE = 0xc0;
const SOF_LAST = 0xcf;
const DHT = 0xc4;
const JPG_RESERVED = 0xc8;
const DAC = 0xcc;
const SOS = 0xda;
const DQT = 0xdb;
const DRI = 0xdd;
const RST0 = 0xd0;
const EOI = 0xd9;
const TEM = 0x01;

const TABLE_BYTES = 64;
const COMPONENTS = 3;
const BASELINE_LAST_COEFFICIENT = 63;

type Component = {
  readonly id: number;
  readonly sampling: number;
  readonly quantization: number;
};

/**
 * Parses a picture's headers given as host text. Never throws. They seldom change: compare the text with the last
 * frame's before parsing again.
 */
export function parseJpegHeader(head: string): JpegInfo | JpegRefusal {
  if (head.length < 2 || byteAt(head, 0) !== MARKER || byteAt(head, 1) !== SOI) {
    return refuse("malformed", "no SOI at offset 0");
  }
  /** Offset of each quantization table's 64 bytes by destination; -1 when it has 16-bit elements. */
  const quantization: (number | undefined)[] = [];
  /** Huffman destinations that hold another table than annex K's; one that is never defined counts as annex K's. */
  const foreignHuffman = new Set<number>();
  let components: readonly Component[] | undefined;
  let width = 0;
  let height = 0;
  let restartInterval = 0;

  let at = 2;
  for (;;) {
    if (at + 4 > head.length) return tooShort(head, at);
    if (byteAt(head, at) !== MARKER) return refuse("malformed", `no marker at offset ${at}`);
    const marker = byteAt(head, at + 1);
    if (marker === MARKER) {
      at++; // Fill byte (section B.1.1.2).
      continue;
    }
    if (marker === 0 || marker === TEM || (marker >= RST0 && marker <= EOI)) {
      return refuse("malformed", `marker ${marker.toString(16)} at offset ${at}`);
    }
    const body = at + 4;
    const next = at + 2 + uint16At(head, at + 2);
    if (next < body) return refuse("malformed", `segment length below 2 at offset ${at}`);
    if (next > head.length) return tooShort(head, at);

    if (marker === DQT) {
      for (let i = body; i < next; ) {
        const destination = byteAt(head, i) & 0x0f;
        const wide = byteAt(head, i) >> 4 !== 0;
        const end = i + 1 + (wide ? 2 * TABLE_BYTES : TABLE_BYTES);
        if (destination > 3 || end > next) return refuse("malformed", `quantization table at offset ${i}`);
        quantization[destination] = wide ? -1 : i + 1;
        i = end;
      }
    } else if (marker === DHT) {
      for (let i = body; i < next; ) {
        const end = huffmanTableEnd(head, i, next);
        const destination = byteAt(head, i);
        if (end < 0 || (destination & 0xef) > 3) return refuse("malformed", `Huffman table at offset ${i}`);
        if (isStandardHuffman(head, i, end)) foreignHuffman.delete(destination);
        else foreignHuffman.add(destination);
        i = end;
      }
    } else if (marker === DRI) {
      if (next - body !== 2) return refuse("malformed", `restart interval at offset ${at}`);
      restartInterval = uint16At(head, body);
    } else if (marker === SOF0_BASELINE) {
      if (components !== undefined) return refuse("malformed", `second frame header at offset ${at}`);
      const count = byteAt(head, body + 5);
      if (next - body < 6 || next - body !== 6 + 3 * count) return refuse("malformed", `frame header at offset ${at}`);
      if (byteAt(head, body) !== 8) return refuse("not-8-bit", `${byteAt(head, body)} bits a sample`);
      height = uint16At(head, body + 1);
      width = uint16At(head, body + 3);
      if (count !== COMPONENTS) return refuse("sampling", `${count} components, not ${COMPONENTS}`);
      components = [component(head, body + 6), component(head, body + 9), component(head, body + 12)];
    } else if (marker === DAC || (marker > SOF0_BASELINE && marker <= SOF_LAST && marker !== JPG_RESERVED)) {
      return refuse("not-baseline", `marker ${marker.toString(16)} at offset ${at}`);
    } else if (marker === SOS) {
      if (components === undefined) return refuse("malformed", "scan without a frame header");
      if (next !== head.length) return refuse("malformed", `${head.length - next} bytes after the scan header`);
      return finish(head, body, next, components, { width, height, restartInterval, quantization, foreignHuffman });
    }
    at = next;
  }
}

type Collected = {
  readonly width: number;
  readonly height: number;
  readonly restartInterval: number;
  readonly quantization: readonly (number | undefined)[];
  readonly foreignHuffman: ReadonlySet<number>;
};

/** Judges what was collected, at the scan header (section B.2.3), whose fields stand from `body` to `end`. */
function finish(
  head: string,
  body: number,
  end: number,
  components: readonly Component[],
  found: Collected,
): JpegInfo | JpegRefusal {
  const count = byteAt(head, body);
  if (end - body < 1 || end - body !== 4 + 2 * count) return refuse("malformed", "scan header");
  if (count !== COMPONENTS) return refuse("several-scans", `a scan of ${count} components`);
  const selection = body + 1 + 2 * COMPONENTS;
  if (
    byteAt(head, selection) !== 0 ||
    byteAt(head, selection + 1) !== BASELINE_LAST_COEFFICIENT ||
    byteAt(head, selection + 2) !== 0
  ) {
    return refuse("not-baseline", "a scan of some coefficients only");
  }

  const { width, height } = found;
  if (width === 0) return refuse("malformed", "width 0");
  if (height === 0 || width > RTP_JPEG_SIDE_MAX || height > RTP_JPEG_SIDE_MAX) {
    return refuse("size", `${width}x${height} pixels, RTP carries 1 to ${RTP_JPEG_SIDE_MAX} a side`);
  }

  // The receiver's headers say so and nothing else, even where other factors have the same ratio: the number of blocks
  // in an MCU follows from the factors themselves (RFC 2435 section 4.1).
  const luma = components[0]!.sampling;
  if ((luma !== 0x21 && luma !== 0x22) || components[1]!.sampling !== 0x11 || components[2]!.sampling !== 0x11) {
    return refuse("sampling", `factors ${components.map((each) => each.sampling.toString(16)).join(" ")}`);
  }

  for (let i = 0; i < COMPONENTS; i++) {
    const selector = byteAt(head, body + 1 + 2 * i);
    if (selector !== components[i]!.id) return refuse("malformed", `scan component ${selector} out of order`);
    const coding = byteAt(head, body + 2 + 2 * i);
    // An annex K table counts only where it belongs: luma uses destination 0, chroma 1 (RFC 2435 appendix B).
    if (coding !== (i === 0 ? 0x00 : 0x11))
      return refuse("huffman-tables", `component ${i} uses destinations ${coding}`);
  }
  for (const destination of [0x00, 0x01, 0x10, 0x11]) {
    if (found.foreignHuffman.has(destination)) {
      return refuse("huffman-tables", `table ${destination.toString(16).padStart(2, "0")} is not annex K's`);
    }
  }

  const tables = new Int8Array(2 * TABLE_BYTES);
  for (let i = 0; i < COMPONENTS; i++) {
    const from = found.quantization[components[i]!.quantization];
    if (from === undefined) return refuse("quantization-tables", `component ${i} has none`);
    if (from < 0) return refuse("quantization-tables", "16-bit elements");
    if (i === 2) {
      const blue = found.quantization[components[1]!.quantization]!;
      if (from !== blue && head.slice(from, from + TABLE_BYTES) !== head.slice(blue, blue + TABLE_BYTES)) {
        return refuse("quantization-tables", "the chroma components' tables differ");
      }
      break;
    }
    for (let k = 0; k < TABLE_BYTES; k++) tables[i * TABLE_BYTES + k] = byteAt(head, from + k);
  }
  return {
    width,
    height,
    type: luma === 0x21 ? 0 : 1,
    restartInterval: found.restartInterval,
    quantizationTables: tables,
  };
}

function component(head: string, at: number): Component {
  return { id: byteAt(head, at), sampling: byteAt(head, at + 1), quantization: byteAt(head, at + 2) };
}

function refuse(obstacle: JpegObstacle, reason: string): JpegRefusal {
  return { obstacle, reason };
}

function tooShort(head: string, at: number): JpegRefusal {
  return head.length >= JPEG_HEADERS_MAX_BYTES
    ? refuse("headers-too-long", `no scan header within ${JPEG_HEADERS_MAX_BYTES} bytes`)
    : refuse("malformed", `ends inside the segment at offset ${at}`);
}

const CODE_LENGTHS = 16;

/** End of a Huffman table (section B.2.4.2) that begins at `at`; -1 when it leaves the segment. */
function huffmanTableEnd(head: string, at: number, limit: number): number {
  let end = at + 1 + CODE_LENGTHS;
  if (end > limit) return -1;
  for (let i = 1; i <= CODE_LENGTHS; i++) end += byteAt(head, at + i);
  return end > limit ? -1 : end;
}

/** True when the table is annex K.3's for the destination it is written to. */
function isStandardHuffman(head: string, at: number, end: number): boolean {
  const standard = STANDARD_HUFFMAN.get(byteAt(head, at));
  return standard !== undefined && standard === head.slice(at + 1, end);
}

/** Tables K.3 to K.6: 16 counts, then the values, as host text; by class and destination. */
const STANDARD_HUFFMAN: ReadonlyMap<number, string> = new Map([
  [0x00, hostText("00010501010101010100000000000000 000102030405060708090a0b")],
  [0x01, hostText("00030101010101010101010000000000 000102030405060708090a0b")],
  [
    0x10,
    hostText(`0002010303020403050504040000017d
      01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a34353637
      38393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3
      a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa`),
  ],
  [
    0x11,
    hostText(`00020102040403040705040400010277
      000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a3536
      3738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999a
      a2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa`),
  ],
]);

function hostText(digits: string): string {
  let text = "";
  for (const pair of digits.replace(/\s/g, "").match(/../g) ?? []) {
    text += String.fromCharCode(Number.parseInt(pair, 16) || 0x100);
  }
  return text;
}
