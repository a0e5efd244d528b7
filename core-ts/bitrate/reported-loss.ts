/**
 * What the network lost of one viewer's packets, out of the report blocks of its receiver reports (RFC 3550 section
 * 6.4.1). Row 2.
 *
 * A reader that is skipped to a key frame sees a gap in the sequence numbers and honestly reports it as loss. What we left
 * out ourselves is subtracted from the very report that counts it: the first whose highest sequence number lies behind the
 * gap. The block's own `fraction lost` is not used, for it speaks of the time since the report before, which may have been
 * lost itself, and knows nothing of our skips.
 */
import type { ReportBlock } from "../rtcp/receiver-report.ts";
import type { Micros } from "../time/units.ts";

/** Gaps that wait for the report that counts them; past it the oldest two become one. */
export const GAPS_MAX = 64;

/** A report that jumps further than this is made up, or of another stream. */
export const PACKETS_A_REPORT_MAX = 0x100_0000;

const TWO_POW_16 = 0x1_0000;
const TWO_POW_32 = 0x1_0000_0000;

/** What one report says of the time since the one before. */
export type LossReport = {
  readonly nowUs: Micros;
  /** Since the report before, or since the viewer joined. */
  readonly spanUs: Micros;
  /** Packets that we sent to this viewer in that time and that should have arrived by this report. */
  readonly sent: number;
  /** Of these the network lost, 0 … `sent`. */
  readonly lost: number;
  /** Interarrival jitter in timestamp units. */
  readonly jitter: number;
};

type Gap = { last: number; packets: number };

export class ReportedLoss {
  readonly #gaps: Gap[] = [];
  #highest: number | undefined;
  /** Receivers count wraps from their own first packet: until the first report only 16 bits compare. */
  #wrapsKnown = false;
  #cumulative = 0;
  #reportedUs: Micros = 0;
  #lostPackets = 0;
  #fraction = 0;

  /**
   * The viewer's first packet will have this sequence number: what a report counts begins with it.
   * A viewer that comes back after a pause has been sent nothing in between, which is no loss either.
   */
  joined(sequence: number, nowUs: Micros): void {
    const before = (sequence + TWO_POW_16 - 1) % TWO_POW_16;
    if (this.#highest === undefined) this.#highest = before;
    else this.skipped(before, (before - (this.#highest % TWO_POW_16) + TWO_POW_16) % TWO_POW_16);
    this.#reportedUs = nowUs;
  }

  /** We left out `packets` packets, the last of which would have had this sequence number (modulo 2^16). */
  skipped(lastSequence: number, packets: number): void {
    if (packets <= 0) return;
    const newest = this.#gaps.at(-1);
    // Frames are skipped one after the other; together they are one gap.
    if (newest !== undefined && (lastSequence - newest.last + TWO_POW_16) % TWO_POW_16 === packets % TWO_POW_16) {
      newest.last = lastSequence;
      newest.packets += packets;
      return;
    }
    this.#gaps.push({ last: lastSequence, packets });
    if (this.#gaps.length <= GAPS_MAX) return;
    const oldest = this.#gaps.shift()?.packets ?? 0;
    this.#gaps[0]!.packets += oldest;
  }

  /** Whether packets that no report has told of yet were left out: what the last one lacks was not sent, then. */
  get hasGapsAhead(): boolean {
    return this.#gaps.length > 0;
  }

  /** Packets that the network lost, as far as reports have said. */
  get lostPackets(): number {
    return this.#lostPackets;
  }

  /** Lost of sent in the last report, 0 … 1. */
  get fraction(): number {
    return this.#fraction;
  }

  /** Takes a report. @returns undefined for one that repeats, comes out of order, or begins anew. */
  report(block: ReportBlock, nowUs: Micros): LossReport | undefined {
    const highest = block.extendedHighestSequence;
    const before = this.#highest;
    const spanUs = nowUs - this.#reportedUs;
    const expected =
      before === undefined
        ? 0
        : this.#wrapsKnown
          ? (highest - before) | 0
          : (highest - before + TWO_POW_32) % TWO_POW_16;
    if (expected <= 0 || expected > PACKETS_A_REPORT_MAX) {
      // Nothing new, and nothing is to be forgotten; or a receiver that counts anew, and this is where it begins.
      if (before === undefined || expected !== 0) this.#begin(block, nowUs);
      return undefined;
    }
    const counted = block.cumulativeLost - this.#cumulative;
    const own = this.#takeGaps(highest);
    this.#begin(block, nowUs);
    const sent = Math.max(0, expected - own);
    const lost = Math.min(sent, Math.max(0, counted - own));
    this.#lostPackets += lost;
    this.#fraction = sent === 0 ? 0 : lost / sent;
    return { nowUs, spanUs, sent, lost, jitter: block.jitter };
  }

  #begin(block: ReportBlock, nowUs: Micros): void {
    this.#highest = block.extendedHighestSequence;
    this.#wrapsKnown = true;
    this.#cumulative = block.cumulativeLost;
    this.#reportedUs = nowUs;
  }

  /** The packets of the gaps that lie before a sequence number: the report has counted them. */
  #takeGaps(highest: number): number {
    let packets = 0;
    for (let gap = this.#gaps[0]; gap !== undefined; gap = this.#gaps[0]) {
      if ((highest - gap.last + TWO_POW_16) % TWO_POW_16 >= TWO_POW_16 / 2) break;
      packets += gap.packets;
      this.#gaps.shift();
    }
    return packets;
  }
}
