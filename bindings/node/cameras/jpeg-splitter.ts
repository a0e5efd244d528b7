/**
 * Cuts concatenated JPEG images (ITU-T T.81 annex B) apart, from a file or as a pipe brings them.
 *
 * Marker segments are stepped over by their length, so an image inside APPn (a thumbnail) ends nothing; within
 * entropy-coded data FF is followed by 00, by a restart marker, or it begins the next marker.
 */
import { CameraFault } from "./camera-fault.ts";

/** Largest image: an uncompressed 4K picture is not much more. */
export const JPEG_MAX_BYTES = 16 * 1024 * 1024;

const MARKER = 0xff;
const TEM = 0x01;
const RST_FIRST = 0xd0;
const RST_LAST = 0xd7;
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;

export type SplitJpeg = {
  /** SOI through EOI: a part of what was fed where that held the whole image, else a copy. */
  readonly data: Buffer;
  /** What {@link JpegSplitter.feed} was told with the chunk that held the first byte. */
  readonly arrivedUs: number;
};

export class JpegSplitter {
  #held: Buffer = Buffer.alloc(0);
  #at = 0;
  #where: "between" | "segments" | "scan" = "between";
  #arrivedUs = 0;

  /** Bytes of an image that is not complete yet. */
  get pending(): number {
    return this.#held.length;
  }

  /** @throws CameraFault when the bytes are no JPEG images, or one exceeds {@link JPEG_MAX_BYTES}. */
  feed(chunk: Buffer, nowUs = 0): SplitJpeg[] {
    if (this.#held.length === 0) {
      this.#held = chunk;
      this.#arrivedUs = nowUs;
    } else {
      this.#held = Buffer.concat([this.#held, chunk]);
    }
    const images: SplitJpeg[] = [];
    while (this.#step(images)) {
      // The image that follows in the same bytes came with this chunk.
      if (this.#where === "between") this.#arrivedUs = nowUs;
    }
    if (this.#held.length > JPEG_MAX_BYTES) throw new CameraFault(`a JPEG image of more than ${JPEG_MAX_BYTES} bytes`);
    return images;
  }

  /** One marker or one run of entropy-coded data. @returns false when more bytes are needed. */
  #step(images: SplitJpeg[]): boolean {
    const bytes = this.#held;
    if (this.#where === "scan") {
      const marker = bytes.indexOf(MARKER, this.#at);
      this.#at = marker < 0 ? bytes.length : marker;
      if (marker < 0 || marker + 1 >= bytes.length) return false;
      const code = bytes[marker + 1]!;
      if (code === 0 || (code >= RST_FIRST && code <= RST_LAST)) this.#at = marker + 2;
      else this.#where = "segments";
      return true;
    }
    if (this.#at + 1 >= bytes.length) return false;
    if (bytes[this.#at] !== MARKER) throw new CameraFault("not a JPEG image, or a damaged one");
    const code = bytes[this.#at + 1]!;
    if (this.#where === "between") {
      if (code !== SOI) throw new CameraFault("not a JPEG image, or a damaged one");
      this.#at += 2;
      this.#where = "segments";
      return true;
    }
    // Any number of FF may fill up before a marker (B.1.1.2).
    if (code === MARKER) {
      this.#at++;
      return true;
    }
    if (code === EOI) {
      const end = this.#at + 2;
      images.push({ data: bytes.subarray(0, end), arrivedUs: this.#arrivedUs });
      this.#held = bytes.subarray(end);
      this.#at = 0;
      this.#where = "between";
      return this.#held.length > 0;
    }
    if (code === TEM || (code >= RST_FIRST && code <= RST_LAST)) {
      this.#at += 2;
      return true;
    }
    if (this.#at + 3 >= bytes.length) return false;
    const length = bytes.readUInt16BE(this.#at + 2);
    if (length < 2) throw new CameraFault("not a JPEG image, or a damaged one");
    const end = this.#at + 2 + length;
    if (end > bytes.length) return false;
    this.#at = end;
    if (code === SOS) this.#where = "scan";
    return true;
  }
}
