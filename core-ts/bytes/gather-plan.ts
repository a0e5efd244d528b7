/**
 * Writer of gather plans: the byte program with which the core tells a host what to send of a frame. Row 0.
 *
 * The program is defined in `bindings/contract/README.md`; all numbers are big-endian.
 *
 *     literal   01 | length u16 | bytes
 *     slice     02 | offset u32 | length u32
 *     boundary  03
 *
 * One writer is reused for every frame. A typed array crosses into Kotlin as its whole backing buffer, so the writer
 * keeps one buffer per power of two and hands over the smallest that holds the plan.
 */

export const PLAN_LITERAL = 1;
export const PLAN_SLICE = 2;
export const PLAN_BOUNDARY = 3;

const SMALLEST_BUFFER = 512;
/** A plan past this is refused by hosts (`PLAN_MAX_BYTES` in the contract). */
export const PLAN_MAX_BYTES = 1 << 20;

export class GatherPlan {
  /** The program so far is the first {@link length} bytes. Replaced when the plan outgrows it: read it when done. */
  bytes: Int8Array;
  length = 0;
  readonly #buffers = new Map<number, Int8Array>();

  constructor() {
    this.bytes = this.#buffer(SMALLEST_BUFFER);
  }

  /** Begins a new plan that will need about `expectedBytes`; less is harmless, more costs a copy. */
  reset(expectedBytes: number = SMALLEST_BUFFER): void {
    this.bytes = this.#buffer(expectedBytes);
    this.length = 0;
  }

  /** Opens a literal of exactly `length` bytes (at most 65,535), which the caller then writes with u8, u16, u32. */
  literal(length: number): void {
    this.#ensure(3 + length);
    this.u8(PLAN_LITERAL);
    this.u16(length);
  }

  /** A literal copied from `source`. */
  literalBytes(source: ArrayLike<number>): void {
    this.literal(source.length);
    for (let i = 0; i < source.length; i++) this.bytes[this.length++] = source[i]!;
  }

  /** The frame's bytes `offset` … `offset + length`. */
  slice(offset: number, length: number): void {
    this.#ensure(9);
    this.u8(PLAN_SLICE);
    this.u32(offset);
    this.u32(length);
  }

  /** Ends a packet: a datagram in the UDP form, elsewhere a place where control bytes may pass. */
  boundary(): void {
    this.#ensure(1);
    this.u8(PLAN_BOUNDARY);
  }

  /** One byte of an open literal. */
  u8(value: number): void {
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    const bytes = this.bytes;
    const at = this.length;
    bytes[at] = value >> 8;
    bytes[at + 1] = value;
    this.length = at + 2;
  }

  u32(value: number): void {
    const bytes = this.bytes;
    const at = this.length;
    bytes[at] = value >> 24;
    bytes[at + 1] = value >> 16;
    bytes[at + 2] = value >> 8;
    bytes[at + 3] = value;
    this.length = at + 4;
  }

  #ensure(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = this.#buffer(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  #buffer(atLeast: number): Int8Array {
    let size = SMALLEST_BUFFER;
    while (size < atLeast) size *= 2;
    let buffer = this.#buffers.get(size);
    if (buffer === undefined) {
      buffer = new Int8Array(size);
      this.#buffers.set(size, buffer);
    }
    return buffer;
  }
}
