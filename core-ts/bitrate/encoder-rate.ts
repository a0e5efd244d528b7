/**
 * One encoder for many viewers: the slowest one above the floor leads. Row 2.
 *
 * A viewer whose link bears less than the floor does not count: it is skipped to key frames, and nobody else is made to
 * look at a worse picture for it. When nobody is above the floor, the floor is what all get.
 */
import type { BitsPerSecond, Micros } from "../time/units.ts";
import { seconds } from "../time/units.ts";

/** A viewer that fell below the floor counts again from here on, as a share of the floor. */
export const BACK_ABOVE_FLOOR = 1.25;
/** Smaller changes of the encoder's rate are left out, up and down; reaching the ceiling or the floor is no small one. */
export const LEAST_RAISE = 0.05;
export const LEAST_CUT = 0.03;
/** The rate rises at most so much a second, however fast the viewers that remain when a slow one has left. */
export const RAISE_A_SECOND = 0.5;
/** Least time between two raises. */
export const RAISE_SPACING_US: Micros = seconds(0.5);

export type RatedViewer = {
  readonly id: number;
  readonly rate: BitsPerSecond;
  /** Its link has taken nothing for a while: it can't be said what it bears. */
  readonly stalled: boolean;
};

export class EncoderRate {
  #floor: BitsPerSecond;
  #ceiling: BitsPerSecond;
  #target: BitsPerSecond;
  #raisedUs: Micros = Number.NEGATIVE_INFINITY;
  #leader: number | undefined;
  readonly #below = new Set<number>();

  /** @param floor at most the ceiling counts. */
  constructor(floor: BitsPerSecond, ceiling: BitsPerSecond) {
    this.#floor = floor;
    this.#ceiling = ceiling;
    this.#target = ceiling;
  }

  /** What the encoder is to aim at. */
  get target(): BitsPerSecond {
    return this.#target;
  }

  get ceiling(): BitsPerSecond {
    return this.#ceiling;
  }

  get floor(): BitsPerSecond {
    return Math.min(this.#floor, this.#ceiling);
  }

  /** The viewer that holds the rate below the ceiling; undefined when none does. */
  get leader(): number | undefined {
    return this.#leader;
  }

  /** Whether a viewer is below the floor. */
  isBelow(id: number): boolean {
    return this.#below.has(id);
  }

  get belowCount(): number {
    return this.#below.size;
  }

  /** The operator has changed the rate at its best. */
  setCeiling(ceiling: BitsPerSecond): void {
    if (this.#target === this.#ceiling || this.#target > ceiling) this.#target = ceiling;
    this.#ceiling = ceiling;
  }

  /** The floor, where it is only known by and by. */
  setFloor(floor: BitsPerSecond): void {
    this.#floor = floor;
  }

  /** Nobody watches: the next one begins with the best. */
  reset(): void {
    this.#target = this.#ceiling;
    this.#leader = undefined;
    this.#below.clear();
    this.#raisedUs = Number.NEGATIVE_INFINITY;
  }

  /** Looks at all viewers. @returns whether the target has changed. */
  update(nowUs: Micros, viewers: readonly RatedViewer[]): boolean {
    const { floor } = this;
    let slowest: RatedViewer | undefined;
    const below = new Set<number>();
    for (const viewer of viewers) {
      const limit = this.#below.has(viewer.id) ? floor * BACK_ABOVE_FLOOR : floor;
      if (viewer.stalled || viewer.rate < Math.min(limit, this.#ceiling)) below.add(viewer.id);
      else if (slowest === undefined || viewer.rate < slowest.rate) slowest = viewer;
    }
    this.#below.clear();
    for (const id of below) this.#below.add(id);
    if (viewers.every(({ stalled }) => stalled)) {
      // Nobody, or nobody of whom anything can be said.
      this.#leader = undefined;
      return false;
    }
    const wanted = Math.max(floor, Math.min(this.#ceiling, slowest?.rate ?? floor));
    this.#leader = wanted < this.#ceiling ? slowest?.id : undefined;
    return this.#move(nowUs, wanted);
  }

  #move(nowUs: Micros, wanted: BitsPerSecond): boolean {
    const now = this.#target;
    if (wanted === now) return false;
    const isEnd = wanted === this.#ceiling || wanted === this.floor;
    if (wanted < now) {
      if (!isEnd && wanted > now * (1 - LEAST_CUT)) return false;
      this.#target = wanted;
      return true;
    }
    if (nowUs - this.#raisedUs < RAISE_SPACING_US) return false;
    const spanS = Math.min(1, (nowUs - this.#raisedUs) / 1_000_000);
    const next = Math.min(wanted, Math.round(now * (1 + RAISE_A_SECOND * spanS)));
    if (!isEnd && next < now * (1 + LEAST_RAISE)) return false;
    this.#target = next;
    this.#raisedUs = nowUs;
    return true;
  }
}
