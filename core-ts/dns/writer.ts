/**
 * Writes a message's bytes, and each name's tail once: later ones point to it (RFC 1035 section 4.1.4). Row 1.
 */
import { utf8Bytes } from "../bytes/text.ts";
import { type DnsName, LABEL_MAX_BYTES, NAME_MAX_BYTES, nameKey, nameLength } from "./name.ts";

const POINTER = 0xc000;
/** Pointers have 14 bits. */
const POINTABLE_BYTES = 0x4000;

export class DnsWriter {
  readonly #bytes: number[] = [];
  readonly #offsets = new Map<string, number>();

  get length(): number {
    return this.#bytes.length;
  }

  u8(value: number): void {
    this.#bytes.push(value & 0xff);
  }

  u16(value: number): void {
    this.#bytes.push((value >> 8) & 0xff, value & 0xff);
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value);
  }

  raw(bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) this.u8(bytes[i]!);
  }

  /** @throws RangeError for a name that can't be written: names are our own, so that is a bug of ours. */
  name(name: DnsName, compress: boolean): void {
    if (nameLength(name) > NAME_MAX_BYTES) throw new RangeError(`a name of more than ${NAME_MAX_BYTES} bytes`);
    for (let i = 0; i < name.length; i++) {
      const tail = nameKey(name.slice(i));
      const known = this.#offsets.get(tail);
      if (compress && known !== undefined) return this.u16(POINTER | known);
      if (known === undefined && this.length < POINTABLE_BYTES) this.#offsets.set(tail, this.length);
      const label = utf8Bytes(name[i]!);
      if (label.length < 1 || label.length > LABEL_MAX_BYTES) throw new RangeError(`a label of ${label.length} bytes`);
      this.u8(label.length);
      this.raw(label);
    }
    this.u8(0);
  }

  /** Writes something with its length in 16 bits in front. */
  measured(write: () => void): void {
    const at = this.length;
    this.u16(0);
    write();
    const length = this.length - at - 2;
    this.#bytes[at] = (length >> 8) & 0xff;
    this.#bytes[at + 1] = length & 0xff;
  }

  finish(): Int8Array {
    return Int8Array.from(this.#bytes);
  }
}
