/**
 * How many packets each of the last frames became, and when they were sent. Row 2.
 *
 * A reader that is skipped to a key frame sees a gap in the sequence numbers, and honestly reports it as loss. Outlets tell
 * which frames they skipped; this ring turns frames into packets, so that our own skips are subtracted before anybody
 * takes the reported loss for the network's. And a report names the newest packet that has come: how long ago that one was
 * sent tells of the queue on its way.
 */
import type { Micros } from "../time/units.ts";

/** Frames remembered: 8 s at 60 frames a second. */
export const SENT_FRAMES = 512;

/** What was sent up to some packet. */
export type SentSoFar = {
  /** Since the beginning, it included. */
  readonly packets: number;
  /** Their payload; within a frame all packets count as equally large. */
  readonly octets: number;
  readonly sentUs: Micros;
  /** When the next packet was sent; undefined when it is yet to come. */
  readonly nextUs: Micros | undefined;
};

export class SentFrames {
  readonly #frames = new Array<number>(SENT_FRAMES).fill(-1);
  readonly #packets = new Array<number>(SENT_FRAMES).fill(0);
  /** Sequence numbers of their last packets, modulo 2^16. */
  readonly #sequences = new Array<number>(SENT_FRAMES).fill(0);
  readonly #sentUs = new Array<Micros>(SENT_FRAMES).fill(0);
  readonly #octets = new Array<number>(SENT_FRAMES).fill(0);
  /** Of all frames up to these, since the beginning. */
  readonly #octetsUpTo = new Array<number>(SENT_FRAMES).fill(0);
  #next = 0;
  #allPackets = 0;
  #allOctets = 0;

  /**
   * Frame numbers rise.
   * @param sequence of the frame's last packet.
   * @param octets its packets' payload.
   */
  note(frame: number, packets: number, sequence = 0, octets = 0, nowUs: Micros = 0): void {
    const at = this.#next % SENT_FRAMES;
    this.#allPackets += packets;
    this.#allOctets += octets;
    this.#frames[at] = frame;
    this.#packets[at] = packets;
    this.#sequences[at] = sequence;
    this.#octets[at] = octets;
    this.#octetsUpTo[at] = this.#allOctets;
    this.#sentUs[at] = nowUs;
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

  /** What was sent up to a packet; undefined when it has not been yet, or is no longer remembered. */
  upTo(sequence: number): SentSoFar | undefined {
    const stored = Math.min(this.#next, SENT_FRAMES);
    if (stored === 0) return undefined;
    // Packets between it and the newest one, modulo 2^16: those of the upper half are yet to come.
    const newest = this.#sequences[(this.#next - 1) % SENT_FRAMES]!;
    let behind = (newest - sequence + 0x1_0000) % 0x1_0000;
    if (behind >= 0x8000) return undefined;
    const packets = this.#allPackets - behind;
    let nextUs: Micros | undefined;
    for (let back = 1; back <= stored; back++) {
      const at = (this.#next - back) % SENT_FRAMES;
      const ofFrame = this.#packets[at]!;
      if (behind < ofFrame) {
        const octets = this.#octetsUpTo[at]! - (this.#octets[at]! * behind) / ofFrame;
        const sentUs = this.#sentUs[at]!;
        return { packets, octets, sentUs, nextUs: behind > 0 ? sentUs : nextUs };
      }
      behind -= ofFrame;
      if (ofFrame > 0) nextUs = this.#sentUs[at]!;
    }
    return undefined;
  }
}
