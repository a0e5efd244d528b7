/**
 * How many packets each of the last frames became. Row 2.
 *
 * A reader that is skipped to a key frame sees a gap in the sequence numbers, and honestly reports it as loss. Outlets tell
 * which frames they skipped; this ring turns frames into packets, so that our own skips are subtracted before anybody
 * takes the reported loss for the network's.
 */

/** Frames remembered: 8 s at 60 frames a second. */
export const SENT_FRAMES = 512;

export class SentFrames {
  readonly #frames = new Array<number>(SENT_FRAMES).fill(-1);
  readonly #packets = new Array<number>(SENT_FRAMES).fill(0);
  /** Sequence numbers of their last packets, modulo 2^16. */
  readonly #sequences = new Array<number>(SENT_FRAMES).fill(0);
  #next = 0;

  /** Frame numbers rise. @param sequence of the frame's last packet. */
  note(frame: number, packets: number, sequence = 0): void {
    const at = this.#next % SENT_FRAMES;
    this.#frames[at] = frame;
    this.#packets[at] = packets;
    this.#sequences[at] = sequence;
    this.#next++;
  }

  /** Packets of the remembered frames `first` … `last`, both inclusive. */
  packetsOf(first: number, last: number): number {
    let packets = 0;
    const stored = Math.min(this.#next, SENT_FRAMES);
    for (let back = 1; back <= stored; back++) {
      const at = (this.#next - back) % SENT_FRAMES;
      const frame = this.#frames[at]!;
      if (frame < first) break;
      if (frame <= last) packets += this.#packets[at]!;
    }
    return packets;
  }

  /** Sequence number of the last packet of the last remembered frame up to `frame`; undefined when none is remembered. */
  lastSequenceOf(frame: number): number | undefined {
    const stored = Math.min(this.#next, SENT_FRAMES);
    for (let back = 1; back <= stored; back++) {
      const at = (this.#next - back) % SENT_FRAMES;
      if (this.#frames[at]! <= frame) return this.#sequences[at];
    }
    return undefined;
  }
}
