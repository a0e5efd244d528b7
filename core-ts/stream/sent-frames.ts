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
  #next = 0;

  /** Frame numbers rise. */
  note(frame: number, packets: number): void {
    const at = this.#next % SENT_FRAMES;
    this.#frames[at] = frame;
    this.#packets[at] = packets;
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
}
