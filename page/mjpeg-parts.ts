/**
 * The pictures of an MJPEG stream (`multipart/x-mixed-replace`, RFC 2046 section 5.1.1), fed as the bytes come. Every part
 * has a Content-Length, as those of this server do.
 */

/** Longest head of a part, bytes. */
export const PART_HEAD_MAX = 4_096;
/** Largest picture, bytes. */
export const PICTURE_MAX = 32 * 1024 * 1024;

const CR = 13;
const LF = 10;

export class MjpegParts {
  /** Bytes of the head so far, as text; they are ASCII. */
  #head = "";
  /** The picture under way, once its length is known. */
  #picture: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;

  /** @returns the pictures that these bytes complete. @throws Error when it is no such stream. */
  feed(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const pictures: Uint8Array<ArrayBuffer>[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#picture === undefined) {
        at = this.#readHead(bytes, at);
      } else {
        const piece = bytes.subarray(at, at + this.#picture.length - this.#filled);
        this.#picture.set(piece, this.#filled);
        this.#filled += piece.length;
        at += piece.length;
      }
      if (this.#picture !== undefined && this.#filled === this.#picture.length) {
        pictures.push(this.#picture);
        this.#picture = undefined;
      }
    }
    return pictures;
  }

  /** Reads up to the empty line that ends a part's head. @returns the position behind what was read. */
  #readHead(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      this.#head += String.fromCharCode(byte);
      if (byte === LF && this.#head.endsWith("\r\n\r\n")) {
        this.#begin(this.#head);
        this.#head = "";
        return at + 1;
      }
      // The line end that closes the part before stands in front of the boundary.
      if (this.#head === "\r\n" || (this.#head.length === 1 && byte !== CR && byte !== 45)) this.#head = "";
      if (this.#head.length > PART_HEAD_MAX) throw new Error("the head of a picture does not end");
    }
    return bytes.length;
  }

  #begin(head: string): void {
    const length = Number(/^content-length:\s*(\d+)\s*$/im.exec(head)?.[1]);
    if (!(length > 0 && length <= PICTURE_MAX)) throw new Error("a picture without a sound length");
    this.#picture = new Uint8Array(length);
    this.#filled = 0;
  }
}
