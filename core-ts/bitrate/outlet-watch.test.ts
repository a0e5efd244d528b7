import { describe, expect, it } from "vitest";
import type { Micros } from "../time/units.ts";
import {
  LEFT_OUT_MAX,
  LOOK_BUSY_US,
  LOOK_IDLE_US,
  type OutletState,
  OutletWatch,
  PAUSE_US,
  STALLED_US,
  STANDING_AGE_US,
  STANDING_WINDOW_US,
} from "./outlet-watch.ts";

/** An outlet that is looked at every 100 ms. */
class Looks {
  readonly watch: OutletWatch;
  #us = 0;
  #sentBytes = 0;
  #skippedUnits = 0;

  constructor({ latestOnly = false } = {}) {
    this.watch = new OutletWatch({ latestOnly });
  }

  get nowUs(): Micros {
    return this.#us;
  }

  /** @param sent bytes that the system took since the last look. */
  next({ ageUs = 0, sent = 0, skipped = 0 }: { ageUs?: Micros; sent?: number; skipped?: number }): OutletState {
    this.#us += LOOK_BUSY_US;
    this.#sentBytes += sent;
    this.#skippedUnits += skipped;
    return this.watch.look({
      nowUs: this.#us,
      ageUs,
      sentBytes: this.#sentBytes,
      skippedUnits: this.#skippedUnits,
    });
  }

  /** So many looks alike. @returns what each said. */
  repeat(count: number, look: { ageUs?: Micros; sent?: number }): OutletState[] {
    return Array.from({ length: count }, () => this.next(look));
  }
}

const OLD = STANDING_AGE_US + 1;
const WINDOW_LOOKS = STANDING_WINDOW_US / LOOK_BUSY_US;

describe("an outlet", () => {
  it("that is empty keeps up", () => {
    expect(new Looks().next({ sent: 1_000 })).toEqual({ kind: "clear" });
  });

  it("whose queue empties now and then is busy, however old its pictures become between", () => {
    const looks = new Looks();
    for (let round = 0; round < 5; round++) {
      const kinds = looks.repeat(WINDOW_LOOKS, { ageUs: 5 * OLD, sent: 1_000 }).map(({ kind }) => kind);
      expect(new Set(kinds)).toEqual(new Set(["busy"]));
      expect(looks.next({ sent: 1_000 }).kind).toBe("clear");
    }
  });

  it("whose pictures are never old is busy for as long as it likes", () => {
    const kinds = new Looks().repeat(20, { ageUs: STANDING_AGE_US, sent: 1_000 }).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(["busy"]));
  });

  it("whose oldest picture stays old does not keep up; what leaves meanwhile is what its link bears", () => {
    const looks = new Looks();
    looks.next({ sent: 50_000 });
    const states = looks.repeat(12, { ageUs: OLD, sent: 12_500 });
    expect(states.slice(0, WINDOW_LOOKS).map(({ kind }) => kind)).toEqual(new Array(WINDOW_LOOKS).fill("busy"));
    for (const state of states.slice(WINDOW_LOOKS)) expect(state).toMatchObject({ kind: "behind", skipped: false });
    // 12,500 bytes in 100 ms.
    expect(states.at(-1)).toMatchObject({ capacity: 1_000_000 });
  });

  it("that the system takes large pieces of is measured from one to another", () => {
    const looks = new Looks();
    looks.next({});
    let last: OutletState | undefined;
    for (let piece = 0; piece < 6; piece++) {
      looks.repeat(3, { ageUs: OLD });
      last = looks.next({ ageUs: OLD, sent: 50_000 });
    }
    expect(last).toMatchObject({ kind: "behind", capacity: 1_000_000 });
  });

  it("that nothing leaves for a while says nothing of its link, and after longer is stalled, until something leaves", () => {
    const looks = new Looks();
    looks.next({ sent: 50_000 });
    looks.repeat(WINDOW_LOOKS + 1, { ageUs: OLD, sent: 12_500 });
    const pausing = looks.repeat(STALLED_US / LOOK_BUSY_US, { ageUs: OLD });
    const asked = PAUSE_US / LOOK_BUSY_US;
    expect(pausing.slice(0, asked - 1).map(({ kind }) => kind)).toEqual(new Array(asked - 1).fill("behind"));
    expect(new Set(pausing.slice(asked - 1).map(({ kind }) => kind))).toEqual(new Set(["busy"]));
    expect(looks.next({ ageUs: OLD })).toEqual({ kind: "stalled" });
    expect(looks.next({ ageUs: OLD, sent: 12_500 }).kind).not.toBe("stalled");
  });

  it("that has just skipped does not keep up, and then waits for a key frame with nothing queued", () => {
    const looks = new Looks();
    looks.next({ sent: 1_000 });
    expect(looks.next({ ageUs: OLD, sent: 1_000, skipped: 3 })).toMatchObject({ kind: "behind", skipped: true });
    looks.next({ sent: 1_000, skipped: 2 });
    expect(looks.next({ skipped: 2 })).toEqual({ kind: "waiting-for-key" });
    expect(looks.next({}).kind).toBe("clear");
  });

  it("of the newest picture only may leave some out", () => {
    const looks = new Looks({ latestOnly: true });
    looks.next({ sent: 1_000 });
    for (let i = 0; i < LEFT_OUT_MAX; i++) expect(looks.next({ sent: 1_000, skipped: 1 }).kind).toBe("clear");
    expect(looks.next({ sent: 1_000, skipped: 1 })).toMatchObject({ kind: "behind", skipped: true });
  });

  it("is looked at often while something is queued or expected, and seldom otherwise", () => {
    const looks = new Looks();
    looks.next({});
    expect(looks.watch.nextLookUs(looks.nowUs, false) - looks.nowUs).toBe(LOOK_IDLE_US);
    expect(looks.watch.nextLookUs(looks.nowUs, true) - looks.nowUs).toBe(LOOK_BUSY_US);
    looks.next({ ageUs: 1 });
    expect(looks.watch.nextLookUs(looks.nowUs, false) - looks.nowUs).toBe(LOOK_BUSY_US);
  });
});
