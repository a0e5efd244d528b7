/**
 * What one viewer's link can be sent: down at once, up slowly. Row 2.
 *
 *     rate │ ceiling ─────╮                             ╭────   up: 20 % a second, 6 % where the link was last full,
 *          │              │              ╭─╮       ╭────╯             and beyond ever more, up to 50 %
 *          │              ╰──────────────╯ ╰───────╯          down: to 80 % of what came through, at once
 *          │                   hold           hold            hold: 3 s and growing, 4 s at most
 *                                                             8 s without a fall: 40 % and 12 % instead of 20 % and 6 %
 *
 * It learns only from what is sent. A viewer that is sent less than its rate, because another one leads, keeps what it had
 * proved and grows no further than half above what it is sent.
 */
import { type BitsPerSecond, MICROS_PER_SECOND, type Micros, millis, seconds } from "../time/units.ts";

/** After the link was full the rate is this share of what came through: the rest drains the queue. */
export const DOWN_SHARE = 0.8;
/** The share of the rate that is kept where nobody could measure what came through. */
export const DOWN_BLIND_SHARE = 0.7;
/** Growth a second: up to where the link was last full, there, and far beyond it, where nothing is known. */
export const UP_BELOW = 0.2;
export const UP_NEAR = 0.06;
export const UP_BEYOND = 0.5;
/** Growth a second once this has gone well for so long: the link is likely another one, whatever was known of it. */
export const UP_LONG = 0.4;
export const UP_LONG_NEAR = 0.12;
export const LONG_US: Micros = seconds(8);
/** There: from here to here, as shares of what came through when the link was last full. */
export const NEAR_FROM = 0.95;
export const NEAR_TO = 1.25;
/** Far beyond, likewise. In between growth itself grows: that the link has become faster is ever more likely. */
export const BEYOND_FROM = 2;
/**
 * A link that is full again soon is taken to bear at least this share of what it bore the last time: TCP that repairs a loss
 * stands still for a while, and what comes through then is less than the link bears.
 */
export const FULL_AT_KEPT = 0.85;
/** At most so much growth by one piece of evidence, however long it took to come. */
export const UP_STEP_MAX = 1.5;
/** After going down the rate stays for this long; longer each time that going up failed soon. */
export const HOLD_FIRST_US: Micros = seconds(3);
export const HOLD_MAX_US: Micros = seconds(4);
const HOLD_GROWTH = 1.25;
/** Going down so soon after the last time means that going up had failed. */
export const FAILED_SOON_US: Micros = seconds(20);
/** While it holds a rate that is so near to what would be wanted is left: reports measure no better. */
export const HOLD_TOLERANCE = 0.95;
/** A queue that is still there so long after going down means that it was not enough. */
export const DOWN_SPACING_US: Micros = millis(600);
/** How far a viewer's rate may be above what it is sent. */
export const UNPROVED_SHARE = 1.5;
/** Who keeps up for so long with more than was thought bears it. */
export const PROVED_US: Micros = seconds(3);
/** A rate below this means nothing. */
export const RATE_MIN: BitsPerSecond = 10_000;

export class ViewerRate {
  #rate: BitsPerSecond;
  #ceiling: BitsPerSecond;
  /** What came through when the link was last full. */
  #fullAt: BitsPerSecond | undefined;
  #downUs: Micros = Number.NEGATIVE_INFINITY;
  #holdUs: Micros = HOLD_FIRST_US;
  #clearUs: Micros | undefined;
  /** Since when nothing but good was heard. */
  #clearSinceUs: Micros | undefined;

  /** @param ceiling what the stream is at its best; a new viewer is taken to bear it. */
  constructor(ceiling: BitsPerSecond) {
    this.#ceiling = ceiling;
    this.#rate = ceiling;
  }

  /** Bits per second, never above the ceiling; may be below any floor. */
  get rate(): BitsPerSecond {
    return Math.min(this.#rate, this.#ceiling);
  }

  set ceiling(ceiling: BitsPerSecond) {
    // Who bore the old ceiling is taken to bear the new one.
    if (this.#rate >= this.#ceiling) this.#rate = ceiling;
    this.#ceiling = ceiling;
  }

  /** Whether it still waits after going down. */
  isHolding(nowUs: Micros): boolean {
    return nowUs - this.#downUs < this.#holdUs;
  }

  /**
   * The link is full.
   * @param sent what it is sent, in bits per second.
   * @param capacity what came through; undefined when nobody could measure it.
   * @returns whether the rate went down.
   */
  full(nowUs: Micros, sent: BitsPerSecond, capacity: BitsPerSecond | undefined): boolean {
    this.#clearUs = undefined;
    this.#clearSinceUs = undefined;
    if (nowUs - this.#downUs < DOWN_SPACING_US) return false;
    const base = Math.min(this.rate, Math.max(sent, RATE_MIN));
    const wanted = capacity === undefined ? DOWN_BLIND_SHARE * base : DOWN_SHARE * capacity;
    const isSoon = nowUs - this.#downUs < FAILED_SOON_US;
    this.#fullAt = Math.max(capacity ?? base, isSoon ? FULL_AT_KEPT * (this.#fullAt ?? 0) : 0);
    if (wanted >= this.rate * (this.isHolding(nowUs) ? HOLD_TOLERANCE : 1)) {
      // It is low enough already, and the queue drains.
      this.#downUs = Math.max(this.#downUs, nowUs - this.#holdUs + DOWN_SPACING_US);
      return false;
    }
    this.#holdUs = isSoon ? Math.min(HOLD_MAX_US, this.#holdUs * HOLD_GROWTH) : HOLD_FIRST_US;
    this.#downUs = nowUs;
    this.#rate = Math.max(RATE_MIN, Math.round(wanted));
    return true;
  }

  /** All is well with what it is sent. */
  clear(nowUs: Micros, sent: BitsPerSecond): void {
    const sinceUs = this.#clearUs;
    this.#clearUs = nowUs;
    this.#clearSinceUs ??= nowUs;
    // It bears more than was thought: pictures were skipped for it, and now it keeps up.
    if (this.rate < sent && nowUs - this.#clearSinceUs >= PROVED_US) this.#rate = Math.min(sent, this.#ceiling);
    if (sinceUs === undefined || this.isHolding(nowUs)) return;
    const most = Math.min(this.#ceiling, sent * UNPROVED_SHARE);
    if (this.#rate >= most) return;
    const growth = (1 + this.#growth(nowUs)) ** ((nowUs - sinceUs) / MICROS_PER_SECOND);
    this.#rate = Math.round(Math.min(most, this.#rate * Math.min(UP_STEP_MAX, growth)));
  }

  /** A second. */
  #growth(nowUs: Micros): number {
    const rate = this.#rate;
    const share = this.#fullAt === undefined ? Number.POSITIVE_INFINITY : rate / this.#fullAt;
    const isLong = nowUs - this.#downUs >= LONG_US;
    if (share < NEAR_FROM) return isLong ? UP_LONG : UP_BELOW;
    const beyond = Math.max(0, Math.min(1, (share - NEAR_TO) / (BEYOND_FROM - NEAR_TO)));
    const near = isLong ? UP_LONG_NEAR : UP_NEAR;
    return near + beyond * (UP_BEYOND - near);
  }

  /** Nothing can be told: it neither rises nor falls. */
  unsure(nowUs: Micros): void {
    if (this.#clearUs !== undefined) this.#clearUs = nowUs;
  }
}
