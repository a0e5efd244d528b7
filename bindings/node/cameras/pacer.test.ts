import { expect, test } from "vitest";
import { FakeTime } from "../../../test/fakes/camera-fakes.ts";
import { CATCH_UP_MAX_SLOTS, Pacer } from "./pacer.ts";

function start(fps: number) {
  const time = new FakeTime();
  const startUs = time.us;
  const slots: { slot: number; timeUs: number; atUs: number }[] = [];
  const pacer = new Pacer({
    ...{ fps, nowUs: time.nowUs, timers: time },
    onSlot: (slot, timeUs) => slots.push({ slot, timeUs: timeUs - startUs, atUs: time.us - startUs }),
  });
  return { time, slots, pacer };
}

test("The first slot comes at once, with the time of the start", () => {
  const { time, slots } = start(25);
  expect(slots).toEqual([]);
  time.advance(0);
  expect(slots).toEqual([{ slot: 0, timeUs: 0, atUs: 0 }]);
});

test.each([60, 45, 30, 29.97, 25, 7, 0.5])("At %d frames a second an hour is as exact as a second", (fps) => {
  const { time, slots } = start(fps);
  time.advance(1_000_000);
  time.stall(3_600_000_000);
  const before = slots.length;
  time.advance(2_000_000);
  for (const { slot, timeUs, atUs } of slots) {
    expect(timeUs).toBe(Math.round((slot * 1e6) / fps));
    expect(atUs).toBeGreaterThanOrEqual(timeUs);
  }
  // After the stall one slot comes late, the others within the timers' millisecond.
  for (const { timeUs, atUs } of [...slots.slice(0, before), ...slots.slice(before + 1)]) {
    expect(atUs - timeUs).toBeLessThanOrEqual(1000);
  }
  const numbers = slots.slice(before + 1).map(({ slot }) => slot);
  for (let i = 1; i < numbers.length; i++) expect(numbers[i]).toBe(numbers[i - 1]! + 1);
});

test("Timers that are always late delay slots, but neither their times nor the slots after", () => {
  const { time, slots } = start(30);
  time.advance(2_000_000, 20_000);
  expect(slots.length).toBeGreaterThanOrEqual(59);
  for (const [index, { slot, timeUs, atUs }] of slots.entries()) {
    expect(slot).toBe(index);
    expect(timeUs).toBe(Math.round((slot * 1e6) / 30));
    expect(atUs - timeUs).toBeLessThanOrEqual(21_000);
  }
});

test("A timer that fires early is set again", () => {
  const time = new FakeTime();
  const slots: number[] = [];
  const early = {
    after: (delayMs: number, callback: () => void) => time.after(delayMs > 1 ? delayMs - 1 : delayMs, callback),
  };
  new Pacer({ fps: 25, nowUs: time.nowUs, timers: early, onSlot: (slot) => slots.push(slot) });
  time.advance(39_500);
  expect(slots).toEqual([0]);
  time.advance(500);
  expect(slots).toEqual([0, 1]);
});

test("A short stall is caught up with every slot at its own time", () => {
  const { time, slots } = start(25);
  time.advance(0);
  time.stall(200_000);
  time.advance(0);
  expect(slots.map(({ timeUs }) => timeUs)).toEqual([0, 40_000, 80_000, 120_000, 160_000, 200_000]);
  time.advance(40_000);
  expect(slots.at(-1)).toEqual({ slot: 6, timeUs: 240_000, atUs: 240_000 });
});

test.each([300_000, 5_000_000])("After a stall of %d µs only the newest slot comes", (stallUs) => {
  const { time, slots } = start(25);
  time.advance(0);
  time.stall(stallUs);
  time.advance(0);
  expect(slots.map(({ slot }) => slot)).toEqual([0, Math.floor(stallUs / 40_000)]);
});

test("No burst is longer than the host's queue can take", () => {
  const { time, slots } = start(60);
  for (let stallUs = 0; stallUs < 400_000; stallUs += 7_000) {
    const before = slots.length;
    time.stall(stallUs);
    time.advance(0);
    expect(slots.length - before).toBeLessThanOrEqual(CATCH_UP_MAX_SLOTS);
  }
});

test("Nothing comes after closing, also from within a slot in the middle of a catch-up", () => {
  const { time, slots, pacer } = start(25);
  time.advance(80_000);
  pacer.close();
  pacer.close();
  time.advance(1_000_000);
  expect(slots).toHaveLength(3);
  expect(time.waiting).toBe(0);

  const seen: number[] = [];
  const other: Pacer = new Pacer({
    ...{ fps: 25, nowUs: time.nowUs, timers: time },
    onSlot: (slot) => {
      seen.push(slot);
      other.close();
    },
  });
  time.stall(120_000);
  time.advance(0);
  expect(seen).toEqual([0]);
  expect(time.waiting).toBe(0);
});
