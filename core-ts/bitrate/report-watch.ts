/**
 * Whether the loss and the round trip that a viewer reports mean that its link is full. Row 2.
 *
 * Radio loses packets whatever is sent; a full link loses what does not fit. Lowering the rate cures only the second, so
 * loss counts as the link's being full when it is far above what this viewer usually loses, when it came with our own
 * raising of the rate, or when the round trip has grown with it. Loss that stays when the rate has fallen was radio.
 */
import { type BitsPerSecond, MICROS_PER_SECOND, type Micros, millis, seconds } from "../time/units.ts";
import type { LossReport } from "./reported-loss.ts";

/** Loss above the usual by this share is too much, and by as many standard deviations of what chance would give. */
export const EXCESS_LOSS = 0.08;
export const EXCESS_DEVIATIONS = 3;
/** A share that radio seldom loses for long: beyond the usual one and this, the link is full whatever else holds. */
export const HEAVY_LOSS = 0.25;
/** The usual loss is learned up to this. */
export const USUAL_LOSS_MAX = 0.2;
/** Weight of one report in the usual loss. */
const USUAL_WEIGHT = 0.25;
/** A round trip above the least one by this says that a queue stands. */
export const QUEUE_ROUND_TRIP_US: Micros = millis(150);
/** Loss that makes such a queue a full one at once; without, it must be there twice, for a key frame makes one for a moment. */
const QUEUE_LOSS = 0.01;
/** What is left for the stream when only the round trip tells that it is too much, as a share of what is sent. */
const QUEUE_CAPACITY = 0.95;
/** A queue that keeps this share of its length after the rate has fallen to that one is not ours. */
const FOREIGN_QUEUE_SHARE = 0.8;
const FOREIGN_RATE_SHARE = 0.7;
/** The least round trip is forgotten after this: routes change. */
export const LEAST_ROUND_TRIP_US_KEPT: Micros = seconds(60);
/** Jitter above twice the usual and this says that a queue grows: no time to raise the rate. */
export const RISEN_JITTER_US: Micros = millis(30);
/** A report on fewer packets says nothing. */
export const REPORT_PACKETS_MIN = 8;

export type ReportJudgement =
  | { readonly kind: "clear" }
  /** Too little to tell. */
  | { readonly kind: "unsure" }
  | {
      readonly kind: "full";
      readonly why: "loss" | "round-trip";
      /** What came through. */
      readonly capacity: BitsPerSecond;
    };

export class ReportWatch {
  #usual = 0;
  #usualJitterUs: Micros | undefined;
  #leastRoundTripUs: Micros | undefined;
  #leastSeenUs: Micros = 0;
  /** The queue seen by the last round trip, and by the one before. */
  #queueUs: Micros = 0;
  #queueBeforeUs: Micros = 0;
  /** The first queue of a row of them. */
  #firstQueue: { readonly queueUs: Micros; readonly rate: BitsPerSecond } | undefined;
  #last: { readonly loss: number; readonly rate: BitsPerSecond; readonly full: boolean } | undefined;

  /** What this viewer loses when its link is not full, 0 … 1. */
  get usualLoss(): number {
    return this.#usual;
  }

  /**
   * Judges a report by its round trip alone: over TCP nothing is lost.
   * @param roundTripUs newly measured; undefined when this report measures none.
   */
  judgeRoundTrip(nowUs: Micros, rate: BitsPerSecond, roundTripUs: Micros | undefined): ReportJudgement {
    if (roundTripUs === undefined) return { kind: "unsure" };
    this.#noteRoundTrip(nowUs, rate, roundTripUs);
    if (this.#queueUs <= QUEUE_ROUND_TRIP_US) return { kind: "clear" };
    if (this.#queueBeforeUs <= QUEUE_ROUND_TRIP_US) return { kind: "unsure" };
    return { kind: "full", why: "round-trip", capacity: Math.round(QUEUE_CAPACITY * rate) };
  }

  /**
   * Judges a report.
   * @param rate what we sent when it was written, in bits per second.
   * @param packetBytes mean size of the packets.
   * @param jitterUs interarrival jitter.
   * @param roundTripUs measured with this report; undefined without.
   */
  judge(
    report: LossReport,
    rate: BitsPerSecond,
    packetBytes: number,
    jitterUs: Micros,
    roundTripUs: Micros | undefined,
  ): ReportJudgement {
    const byRoundTrip = this.judgeRoundTrip(report.nowUs, rate, roundTripUs);
    const queueUs = this.#queueUs;
    const jitterRisen = jitterUs > 2 * (this.#usualJitterUs ?? jitterUs) + RISEN_JITTER_US;
    this.#usualJitterUs = (this.#usualJitterUs ?? jitterUs) * (1 - USUAL_WEIGHT) + jitterUs * USUAL_WEIGHT;
    if (report.sent < REPORT_PACKETS_MIN) return { kind: "unsure" };
    const loss = report.lost / report.sent;
    const reference = Math.max(this.#usual, 0.05);
    const chance = Math.sqrt((reference * (1 - reference)) / report.sent);
    const tooMuch = loss > this.#usual + Math.max(EXCESS_LOSS, EXCESS_DEVIATIONS * chance);
    const before = this.#last;
    let full = tooMuch || (queueUs > QUEUE_ROUND_TRIP_US && loss > this.#usual + QUEUE_LOSS);
    if (full && before?.full === true && rate < 0.85 * before.rate && queueUs < QUEUE_ROUND_TRIP_US) {
      // We gave way and it did not help: what is lost does not depend on us.
      const same = Math.abs(loss - before.loss) <= Math.max(0.03, 2 * chance);
      if (same && loss <= this.#usual + HEAVY_LOSS) {
        full = false;
        this.#usual = Math.min(USUAL_LOSS_MAX, loss);
      }
    }
    this.#last = { loss, rate, full };
    if (full) {
      const received = report.sent - report.lost;
      const capacity = Math.round((received * packetBytes * 8 * MICROS_PER_SECOND) / Math.max(1, report.spanUs));
      return { kind: "full", why: "loss", capacity };
    }
    this.#usual += USUAL_WEIGHT * (Math.min(USUAL_LOSS_MAX, loss) - this.#usual);
    if (byRoundTrip.kind === "full") return byRoundTrip;
    return { kind: queueUs > QUEUE_ROUND_TRIP_US || jitterRisen ? "unsure" : "clear" };
  }

  #noteRoundTrip(nowUs: Micros, rate: BitsPerSecond, roundTripUs: Micros): void {
    if (
      this.#leastRoundTripUs === undefined ||
      roundTripUs <= this.#leastRoundTripUs ||
      nowUs - this.#leastSeenUs > LEAST_ROUND_TRIP_US_KEPT
    ) {
      this.#leastRoundTripUs = roundTripUs;
      this.#leastSeenUs = nowUs;
    }
    this.#queueBeforeUs = this.#queueUs;
    this.#queueUs = roundTripUs - this.#leastRoundTripUs;
    if (this.#queueUs <= QUEUE_ROUND_TRIP_US) this.#firstQueue = undefined;
    else this.#firstQueue ??= { queueUs: this.#queueUs, rate };
    const first = this.#firstQueue;
    if (
      first === undefined ||
      rate > FOREIGN_RATE_SHARE * first.rate ||
      this.#queueUs < FOREIGN_QUEUE_SHARE * first.queueUs
    )
      return;
    // We gave way, and it is as long as before: others fill it, or the route is longer now.
    this.#leastRoundTripUs = roundTripUs;
    this.#leastSeenUs = nowUs;
    this.#queueUs = 0;
    this.#firstQueue = undefined;
  }
}
