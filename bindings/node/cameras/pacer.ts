/**
 * The steady beat of a played camera.
 *
 * Slot i has the time `start + i · 1,000,000 / fps`, computed from the start each time, so nothing accumulates. A slot is
 * never handed out before its time. When the loop was late, the slots that it missed come at once with the times they
 * should have had; after a longer stall all but the newest are skipped.
 */
import { MICROS_PER_MILLI, MICROS_PER_SECOND } from "../../../core-ts/time/units.ts";
import type { Timers } from "./timers.ts";

/** Most slots handed out in one go: with one that waits already, what the host lets wait (`FRAMES_WAITING_MAX`). */
export const CATCH_UP_MAX_SLOTS = 7;
/** Older slots are skipped: the host would not wait for them either. */
export const CATCH_UP_MAX_US = 250_000;

export type PacerOptions = {
  /** Slots a second, above 0; fractions are fine. */
  readonly fps: number;
  readonly nowUs: () => number;
  readonly timers: Timers;
  /** Called once a slot, from a timer. Numbers rise and may leave gaps; `timeUs` is the slot's own time, not now. */
  readonly onSlot: (slot: number, timeUs: number) => void;
};

export class Pacer {
  readonly #options: PacerOptions;
  readonly #startUs: number;
  #next = 0;
  #callOff: (() => void) | undefined;
  #closed = false;

  /** Slot 0 has the time of this call and is handed out by the next timer. */
  constructor(options: PacerOptions) {
    this.#options = options;
    this.#startUs = options.nowUs();
    this.#callOff = options.timers.after(0, () => this.#run());
  }

  /** No slot follows. May be called twice, also from `onSlot`. */
  close(): void {
    this.#closed = true;
    this.#callOff?.();
    this.#callOff = undefined;
  }

  #timeOf(slot: number): number {
    return this.#startUs + Math.round((slot * MICROS_PER_SECOND) / this.#options.fps);
  }

  /** The newest slot whose time has come. */
  #due(nowUs: number): number {
    let slot = Math.floor(((nowUs - this.#startUs) * this.#options.fps) / MICROS_PER_SECOND);
    // Rounding may have put the neighbour on the other side of now.
    if (this.#timeOf(slot + 1) <= nowUs) slot++;
    if (this.#timeOf(slot) > nowUs) slot--;
    return slot;
  }

  #run(): void {
    const nowUs = this.#options.nowUs();
    const due = this.#due(nowUs);
    if (due - this.#next + 1 > CATCH_UP_MAX_SLOTS || nowUs - this.#timeOf(this.#next) > CATCH_UP_MAX_US) {
      this.#next = Math.max(this.#next, due);
    }
    while (this.#next <= due && !this.#closed) {
      const slot = this.#next++;
      this.#options.onSlot(slot, this.#timeOf(slot));
    }
    if (this.#closed) return;
    // Rounded up: a timer that fires before the slot's time would only be set again.
    const delayMs = Math.max(0, Math.ceil((this.#timeOf(this.#next) - this.#options.nowUs()) / MICROS_PER_MILLI));
    this.#callOff = this.#options.timers.after(delayMs, () => this.#run());
  }
}
