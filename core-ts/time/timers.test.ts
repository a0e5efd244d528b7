import { expect, test } from "vitest";
import { PATIENCE_US, Timers } from "./timers.ts";

test("A patient timer runs in any turn from its time on, and has one made for it only when none has come.", () => {
  const timers = new Timers();
  const ran: string[] = [];
  timers.around(1_000, () => ran.push("patient"));
  expect(timers.nextDueUs()).toBe(1_000 + PATIENCE_US);
  timers.runDue(999);
  expect(ran).toEqual([]);
  timers.runDue(1_000);
  expect(ran).toEqual(["patient"]);
  expect([timers.nextDueUs(), timers.size]).toEqual([-1, 0]);
});

test("The turn is made for whichever of both kinds can't wait longer.", () => {
  const timers = new Timers();
  const noop = () => undefined;
  timers.around(1_000, noop);
  const exact = timers.at(2_000, noop);
  expect(timers.nextDueUs()).toBe(2_000);
  exact.cancel();
  timers.at(1_000 + 2 * PATIENCE_US, noop);
  expect(timers.nextDueUs()).toBe(1_000 + PATIENCE_US);
  expect(timers.size).toBe(2);
});

test("One kind's bug keeps nothing of the other from running.", () => {
  const timers = new Timers();
  const ran: string[] = [];
  timers.around(1, () => {
    throw new Error("a bug");
  });
  timers.around(1, () => ran.push("patient"));
  timers.at(1, () => ran.push("exact"));
  expect(() => timers.runDue(1)).toThrow("a bug");
  expect(ran).toEqual(["patient", "exact"]);
});
