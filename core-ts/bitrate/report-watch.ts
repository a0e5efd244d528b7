/**
 * Whether the loss and the delay that a viewer reports mean that its link is full. Row 2.
 *
 * Radio loses packets whatever is sent; a full link loses what does not fit. Lowering the rate cures only the second, so
 * loss counts as the link's being full when it is far above what this viewer usually loses, or when a queue stands with it.
 * Loss that stays when the rate has fallen was radio.
 *
 * What came through between two reports is what the link bears, if it was full all the time. The first report after a link
 * has become slower speaks of before and after, so what it says is too much; the next one finds the queue still there and
 * says it exactly.
 */
import { type BitsPerSecond, MICROS_PER_SECOND, type Micros, millis } from "../time/units.ts";
import { PathQueue } from "./path-queue.ts";
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
/** A queue that stands: longer than a key frame makes it for a moment. */
export const QUEUE_US: Micros = millis(150);
/** One that is as long is still the same that was there, or was lost of, a report before. */
export const QUEUE_LEFT_US: Micros = millis(90);
/** And one that is no longer has drained. */
export const DRAINED_US: Micros = millis(30);
/** One as long as this needs no second look. */
export const HEAVY_QUEUE_US: Micros = millis(400);
/** Loss that makes a queue a full one at once; without, it must be there twice. */
const QUEUE_LOSS = 0.01;
/** A full queue still takes small packets: what comes through of a stream that loses all but a few is smaller by this share. */
const SMALLER_SHARE = 0.15;
/** Loss that has fallen to this share with the rate, while no queue stands, is of packets that were sent before. */
const LATE_LOSS_SHARE = 0.75;
/** What is left for the stream when only round trips tell that it is too much, as a share of what is sent. */
const QUEUE_CAPACITY = 0.95;
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

/** Of the packets that a report tells of, at its arrival; see {@link PathQueue.note}. */
export type ReportedAge = { readonly arrivedUs: Micros; readonly waitingUs: Micros };

export class ReportWatch {
  readonly #path = new PathQueue(QUEUE_US);
  #usual = 0;
  #usualJitterUs: Micros | undefined;
  /** As the last report found it. */
  #queueUs: Micros = 0;
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
    const beforeUs = this.#queueUs;
    this.#queueUs = this.#path.note(nowUs, rate, roundTripUs);
    if (this.#queueUs <= QUEUE_US) return { kind: "clear" };
    if (beforeUs <= QUEUE_US) return { kind: "unsure" };
    return { kind: "full", why: "round-trip", capacity: Math.round(QUEUE_CAPACITY * rate) };
  }

  /**
   * Judges a report.
   * @param rate what we sent when it was written, in bits per second.
   * @param packetBytes mean size of the packets.
   * @param jitterUs interarrival jitter.
   * @param age undefined when it can't be told.
   */
  judge(
    report: LossReport,
    rate: BitsPerSecond,
    packetBytes: number,
    jitterUs: Micros,
    age: ReportedAge | undefined,
  ): ReportJudgement {
    const before = this.#last;
    const wasFull = before?.full === true || this.#queueUs > QUEUE_US;
    const queueUs = age === undefined ? 0 : this.#path.note(report.nowUs, rate, age.arrivedUs, age.waitingUs);
    this.#queueUs = queueUs;
    const jitterRisen = jitterUs > 2 * (this.#usualJitterUs ?? jitterUs) + RISEN_JITTER_US;
    this.#usualJitterUs = (this.#usualJitterUs ?? jitterUs) * (1 - USUAL_WEIGHT) + jitterUs * USUAL_WEIGHT;
    if (report.sent < REPORT_PACKETS_MIN) return { kind: "unsure" };
    const loss = report.lost / report.sent;
    const reference = Math.max(this.#usual, 0.05);
    const chance = Math.sqrt((reference * (1 - reference)) / report.sent);
    const tooMuch = loss > this.#usual + Math.max(EXCESS_LOSS, EXCESS_DEVIATIONS * chance);
    let full = tooMuch || (queueUs > QUEUE_US && loss > this.#usual + QUEUE_LOSS);
    const gaveWay = before?.full === true && rate < 0.85 * before.rate;
    if (full && gaveWay && queueUs < QUEUE_US) {
      // It did not help: what is lost does not depend on us.
      const same = Math.abs(loss - before.loss) <= Math.max(0.03, 2 * chance);
      if (same && loss <= this.#usual + HEAVY_LOSS) {
        full = false;
        this.#usual = Math.min(USUAL_LOSS_MAX, loss);
      }
    }
    // It has helped: what is still lost was sent before.
    const lateMost = Math.min(HEAVY_LOSS, LATE_LOSS_SHARE * (before?.loss ?? 0));
    const late = full && gaveWay && age !== undefined && queueUs <= DRAINED_US && loss < lateMost;
    full &&= !late;
    this.#last = { loss, rate, full };
    const receivedBits = (report.sent - report.lost) * packetBytes * (1 - SMALLER_SHARE * loss) * 8;
    const capacity = Math.round((receivedBits * MICROS_PER_SECOND) / Math.max(1, report.spanUs));
    if (full) return { kind: "full", why: "loss", capacity };
    if (late) return { kind: "unsure" };
    this.#usual += USUAL_WEIGHT * (Math.min(USUAL_LOSS_MAX, loss) - this.#usual);
    if (queueUs > HEAVY_QUEUE_US || (wasFull && queueUs > QUEUE_LEFT_US)) {
      return { kind: "full", why: "round-trip", capacity };
    }
    return { kind: queueUs > QUEUE_US || jitterRisen ? "unsure" : "clear" };
  }
}
