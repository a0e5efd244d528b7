/**
 * A network link that exists in memory only: a rate that follows a trace, a queue in front of it, a delay, and loss by
 * chance from a seed. Nothing in it depends on the clock of the machine.
 */

/** Bits per second from a moment on, the moments rising; the first is 0. */
export type Trace = readonly (readonly [fromUs: number, bitsPerSecond: number])[];

export type LinkOptions = {
  readonly trace: Trace;
  /** One way, both ways. */
  readonly delayUs?: number;
  /** Longest wait in the queue at the present rate; what would wait longer is dropped. */
  readonly queueUs?: number;
  /** Share of the packets that are lost by chance, at a moment. */
  readonly loss?: (us: number) => number;
  readonly seed?: number;
};

/** Bytes of the headers of IP and UDP that the link carries beside a packet. */
const HEADER_BYTES = 28;

/** Deterministic numbers 0 … 1 (xorshift32). */
export function chance(seed: number): () => number {
  let state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export class Link {
  readonly #options: LinkOptions;
  readonly #random: () => number;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Bits that the link may still send of the time that has passed. */
  #credit = 0;
  readonly #onTheWay: { readonly atUs: number; readonly bytes: Uint8Array }[] = [];
  dropped = 0;
  lost = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#random = chance(options.seed ?? 1);
  }

  rateAt(us: number): number {
    let rate = 0;
    for (const [fromUs, bitsPerSecond] of this.#options.trace) if (us >= fromUs) rate = bitsPerSecond;
    return rate;
  }

  get delayUs(): number {
    return this.#options.delayUs ?? 10_000;
  }

  /** Free bytes of the queue at the present rate. */
  roomBytes(us: number): number {
    return ((this.#options.queueUs ?? 200_000) * this.rateAt(us)) / 8e6 - this.#queuedBytes;
  }

  /** Offers a packet. @returns false when it was dropped for want of room. */
  offer(bytes: Uint8Array, us: number): boolean {
    if (this.roomBytes(us) < bytes.length + HEADER_BYTES) {
      this.dropped++;
      return false;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length + HEADER_BYTES;
    return true;
  }

  /** Lets time pass. @returns what arrives, in order. */
  advance(toUs: number, spanUs: number): Uint8Array[] {
    this.#credit += (this.rateAt(toUs) * spanUs) / 1e6;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const bits = (next.length + HEADER_BYTES) * 8;
      if (bits > this.#credit) break;
      this.#credit -= bits;
      this.#queue.shift();
      this.#queuedBytes -= next.length + HEADER_BYTES;
      if (this.#random() < (this.#options.loss?.(toUs) ?? 0)) this.lost++;
      else this.#onTheWay.push({ atUs: toUs + this.delayUs, bytes: next });
    }
    // An idle link saves nothing up.
    if (this.#queue.length === 0) this.#credit = 0;
    const arrived: Uint8Array[] = [];
    while (this.#onTheWay[0] !== undefined && this.#onTheWay[0].atUs <= toUs)
      arrived.push(this.#onTheWay.shift()!.bytes);
    return arrived;
  }
}
