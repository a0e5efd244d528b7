/**
 * How often an encoder may be asked for a key frame. Row 2.
 *
 * Every new viewer wants one, and a key frame costs ten times an ordinary frame; without a limit one client that
 * reconnects in a loop would turn the stream into key frames. So requests coalesce: at least 100 ms between two of an
 * encoder, and a bucket of 20 that refills at one a second.
 */
import { type Micros, millis, seconds } from "../time/units.ts";

/** Least time between two requests to one encoder. */
export const KEY_REQUEST_SPACING_US: Micros = millis(100);
/** Requests that may come in a burst. */
export const KEY_REQUEST_BURST = 20;
/** Time in which the bucket gains one request. */
export const KEY_REQUEST_REFILL_US: Micros = seconds(1);
/** A request that the encoder has not answered within this time may be repeated. */
export const KEY_REQUEST_PATIENCE_US: Micros = millis(500);

export class KeyFrameLimiter {
  #tokens = KEY_REQUEST_BURST;
  /** When the bucket last gained; meaningless while it is full. */
  #refilledUs: Micros = 0;
  #lastSentUs: Micros = Number.NEGATIVE_INFINITY;
  #outstanding = false;
  #wanted = false;

  /** Somebody wants a key frame. @returns when to call {@link take}: now or later. */
  want(nowUs: Micros): Micros {
    this.#wanted = true;
    return this.#allowedUs(nowUs);
  }

  /** True when the request is to be sent now; it then counts as sent. False when none is wanted, or not yet. */
  take(nowUs: Micros): boolean {
    if (!this.#wanted || this.#allowedUs(nowUs) > nowUs) return false;
    this.#refill(nowUs);
    // A full bucket gains nothing, so its clock starts with the first request taken from it.
    if (this.#tokens === KEY_REQUEST_BURST) this.#refilledUs = nowUs;
    this.#tokens--;
    this.#lastSentUs = nowUs;
    this.#outstanding = true;
    this.#wanted = false;
    return true;
  }

  /** A key frame came, asked for or not: whoever waited has it. */
  keyFrame(): void {
    this.#wanted = false;
    this.#outstanding = false;
  }

  #allowedUs(nowUs: Micros): Micros {
    this.#refill(nowUs);
    const spacing = this.#outstanding ? KEY_REQUEST_PATIENCE_US : KEY_REQUEST_SPACING_US;
    const bySpacing = this.#lastSentUs + spacing;
    const byBucket = this.#tokens >= 1 ? nowUs : this.#refilledUs + KEY_REQUEST_REFILL_US;
    return Math.max(nowUs, bySpacing, byBucket);
  }

  #refill(nowUs: Micros): void {
    const gained = Math.floor((nowUs - this.#refilledUs) / KEY_REQUEST_REFILL_US);
    if (gained <= 0) return;
    this.#tokens = Math.min(KEY_REQUEST_BURST, this.#tokens + gained);
    this.#refilledUs += gained * KEY_REQUEST_REFILL_US;
  }
}
