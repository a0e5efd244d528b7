/**
 * QR codes (ISO/IEC 18004) of addresses: byte mode, error correction M, versions 1 to 12.
 *
 * Built in the order of the standard: bits → code words → Reed–Solomon → interleaved → placed → the best of eight masks.
 */

/** Most bytes of text, of version 12. */
export const QR_MAX_BYTES = 287;

/** By version from 1: error correction words a block, then (blocks, data words each) once or twice; level M, table 9. */
const BLOCKS: readonly (readonly [number, ...(readonly [number, number])[]])[] = [
  [10, [1, 16]],
  [16, [1, 28]],
  [26, [1, 44]],
  [18, [2, 32]],
  [24, [2, 43]],
  [16, [4, 27]],
  [18, [4, 31]],
  [22, [2, 38], [2, 39]],
  [22, [3, 36], [2, 37]],
  [26, [4, 43], [1, 44]],
  [30, [1, 50], [4, 51]],
  [22, [6, 36], [2, 37]],
];
/** Centres of the alignment patterns, annex E. */
const ALIGNMENT: readonly (readonly number[])[] = [
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
  [6, 30, 54],
  [6, 32, 58],
];
const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];
/** Level M in the format bits. */
const LEVEL_M = 0b00;

/** Rows of modules, true for dark, without the quiet zone of four modules that belongs around them. */
export type QrCode = readonly (readonly boolean[])[];

/** @throws RangeError past {@link QR_MAX_BYTES} bytes of UTF-8. */
export function qrCode(text: string): QrCode {
  const bytes = new TextEncoder().encode(text);
  const version = BLOCKS.findIndex((_, at) => bitsOfHead(at + 1) + bytes.length * 8 <= dataWords(at + 1) * 8) + 1;
  if (version === 0) throw new RangeError(`${bytes.length} bytes are more than a QR code of ours holds`);
  const words = interleave(version, codeWords(version, bytes));
  const candidates = MASKS.map((_, mask) => draw(version, words, mask));
  return candidates.reduce((best, each) => (penalty(each) < penalty(best) ? each : best));
}

const bitsOfHead = (version: number): number => 4 + (version < 10 ? 8 : 16);
const groups = (version: number): readonly (readonly [number, number])[] =>
  BLOCKS[version - 1]!.slice(1) as unknown as readonly (readonly [number, number])[];
const dataWords = (version: number): number => groups(version).reduce((sum, [count, each]) => sum + count * each, 0);

/** Mode, length, the bytes, and padding (section 7.4). */
function codeWords(version: number, bytes: Uint8Array): number[] {
  const bits: number[] = [];
  const put = (value: number, length: number): void => {
    for (let at = length - 1; at >= 0; at--) bits.push((value >> at) & 1);
  };
  put(0b0100, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  const capacity = dataWords(version) * 8;
  put(0, Math.min(4, capacity - bits.length));
  while (bits.length % 8 !== 0) bits.push(0);
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) put(pad, 8);
  return Array.from({ length: capacity / 8 }, (_, at) =>
    bits.slice(at * 8, at * 8 + 8).reduce((word, bit) => word * 2 + bit, 0),
  );
}

/** Adds the error correction, and takes words of every block in turn (section 7.6). */
function interleave(version: number, words: readonly number[]): number[] {
  const correction = BLOCKS[version - 1]![0];
  const data: number[][] = [];
  let at = 0;
  for (const [count, each] of groups(version)) {
    for (let block = 0; block < count; block++, at += each) data.push(words.slice(at, at + each));
  }
  const checks = data.map((block) => remainder(block, correction));
  const inTurn = (blocks: readonly (readonly number[])[]): number[] => {
    const longest = Math.max(...blocks.map((block) => block.length));
    return Array.from({ length: longest }, (_, index) =>
      blocks.flatMap((block) => block.slice(index, index + 1)),
    ).flat();
  };
  return [...inTurn(data), ...inTurn(checks)];
}

/** A product in GF(256) modulo x⁸+x⁴+x³+x²+1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ (product >> 7 ? 0x11d : 0);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/** Reed–Solomon: the remainder of the data by the product of (x − 2ⁱ), i below `degree`. */
function remainder(data: readonly number[], degree: number): number[] {
  let divisor = [1];
  for (let i = 0, root = 1; i < degree; i++, root = times(root, 2)) {
    const longer = [...divisor, 0];
    for (let at = 0; at < divisor.length; at++) longer[at + 1] = longer[at + 1]! ^ times(divisor[at]!, root);
    divisor = longer;
  }
  const rest = new Array<number>(degree).fill(0);
  for (const word of data) {
    const factor = word ^ rest.shift()!;
    rest.push(0);
    for (let at = 0; at < degree; at++) rest[at] = rest[at]! ^ times(divisor[at + 1]!, factor);
  }
  return rest;
}

/** Appends the remainder of a BCH code: format and version bits (annexes C and D). */
function withCheck(value: number, generator: number, degree: number): number {
  let rest = value << degree;
  for (let bit = 31; bit >= degree; bit--) if ((rest >>> bit) & 1) rest ^= generator << (bit - degree);
  return (value << degree) | rest;
}

function draw(version: number, words: readonly number[], mask: number): boolean[][] {
  const size = version * 4 + 17;
  const dark = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  const fixed = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  const set = (row: number, column: number, value: boolean): void => {
    if (row < 0 || column < 0 || row >= size || column >= size) return;
    dark[row]![column] = value;
    fixed[row]![column] = true;
  };
  for (let at = 0; at < size; at++) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  const rings = (row: number, column: number, radius: number, light: readonly number[]): void => {
    for (let dr = -radius; dr <= radius; dr++) {
      for (let dc = -radius; dc <= radius; dc++) {
        set(row + dr, column + dc, !light.includes(Math.max(Math.abs(dr), Math.abs(dc))));
      }
    }
  };
  // Finders, each with the light line around it.
  for (const [row, column] of [
    [3, 3],
    [3, size - 4],
    [size - 4, 3],
  ] as const)
    rings(row, column, 4, [2, 4]);
  const centres = ALIGNMENT[version - 1]!;
  for (const row of centres) {
    for (const column of centres) {
      const inFinder = (row < 8 && (column < 8 || column > size - 9)) || (row > size - 9 && column < 8);
      if (!inFinder) rings(row, column, 2, [1]);
    }
  }
  const format = withCheck((LEVEL_M << 3) | mask, 0x537, 10) ^ 0x5412;
  const formatBit = (at: number): boolean => ((format >> at) & 1) === 1;
  for (let at = 0; at < 15; at++) {
    // Twice: around the first finder, and shared between the other two.
    if (at < 6) set(at, 8, formatBit(at));
    else if (at < 8) set(at + 1, 8, formatBit(at));
    else if (at === 8) set(8, 7, formatBit(at));
    else set(8, 14 - at, formatBit(at));
    if (at < 8) set(8, size - 1 - at, formatBit(at));
    else set(size - 15 + at, 8, formatBit(at));
  }
  set(size - 8, 8, true);
  if (version >= 7) {
    const bits = withCheck(version, 0x1f25, 12);
    for (let at = 0; at < 18; at++) {
      const value = ((bits >> at) & 1) === 1;
      set(Math.floor(at / 3), size - 11 + (at % 3), value);
      set(size - 11 + (at % 3), Math.floor(at / 3), value);
    }
  }
  let bit = 0;
  // Columns in pairs from the right, up and down in turn; the column of the timing pattern is passed over.
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const upward = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step++) {
      const row = upward ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (fixed[row]![column]) continue;
        const value = (((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        dark[row]![column] = value !== MASKS[mask]!(row, column);
        bit++;
      }
    }
  }
  return dark;
}

/** How hard a code is to read (section 7.8.3). */
function penalty(code: QrCode): number {
  const size = code.length;
  const columns = code.map((_, at) => code.map((row) => row[at]!));
  let sum = 0;
  for (const line of [...code, ...columns]) {
    const text = line.map((dark) => (dark ? "1" : "0")).join("");
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) sum += run.length - 2;
    for (const _ of text.matchAll(/(?=00001011101|10111010000)/g)) sum += 40;
  }
  for (let row = 1; row < size; row++) {
    for (let column = 1; column < size; column++) {
      const value = code[row]![column];
      if (
        code[row - 1]![column] === value &&
        code[row]![column - 1] === value &&
        code[row - 1]![column - 1] === value
      ) {
        sum += 3;
      }
    }
  }
  const share = code.flat().filter(Boolean).length / (size * size);
  return sum + Math.floor(Math.abs(share * 20 - 10)) * 10;
}
