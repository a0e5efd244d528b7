/**
 * Measured frame and bit rate over the last few seconds, for the status. Row 2.
 */
import { type BitsPerSecond, MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";

/** Rates are means over this span, in slots of a quarter second. */
export const RATE_WINDOW_US: Micros = seconds(2);
const SLOTS = 8;
const SLOT_US = RATE_WINDOW_US / SLOTS;

export class RateMeter {
  readonly #frames = new Array<number>(SLOTS).fill(0);
  readonly #bytes = new Array<number>(SLOTS).fill(0);
  #slot = Number.NaN;
  #startedSlot = 0;

  /** Counts a frame of `bytes` that came at `nowUs`. */
  add(nowUs: Micros, bytes: number): void {
    this.#roll(nowUs);
    const index = this.#slot % SLOTS;
    this.#frames[index]! += 1;
    this.#bytes[index]! += bytes;
  }

  /** Frames a second, to a tenth. */
  framesPerSecond(nowUs: Micros): number {
    this.#roll(nowUs);
    return Math.round((sum(this.#frames) * 10 * MICROS_PER_SECOND) / this.#spanUs(nowUs)) / 10;
  }

  bitsPerSecond(nowUs: Micros): BitsPerSecond {
    this.#roll(nowUs);
    return Math.round((sum(this.#bytes) * 8 * MICROS_PER_SECOND) / this.#spanUs(nowUs));
  }

  /** The span that the slots cover: the window at most, and what has passed of the newest slot. */
  #spanUs(nowUs: Micros): Micros {
    const first = Math.max(this.#startedSlot, this.#slot - SLOTS + 1);
    return Math.max(SLOT_US, nowUs - first * SLOT_US);
  }

  #roll(nowUs: Micros): void {
    const slot = Math.floor(nowUs / SLOT_US);
    if (!(slot - this.#slot < SLOTS)) {
      this.#frames.fill(0);
      this.#bytes.fill(0);
      this.#slot = slot;
      this.#startedSlot = slot;
      return;
    }
    while (this.#slot < slot) {
      this.#slot++;
      this.#frames[this.#slot % SLOTS] = 0;
      this.#bytes[this.#slot % SLOTS] = 0;
    }
  }
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
