import { describe, expect, it } from "vitest";
import { millis, seconds } from "../time/units.ts";
import {
  FAILED_NAMES_MAX,
  FORGET_ONE_US,
  FREE_FAILURES,
  HELD_FAILURES_MAX,
  LONGEST_DELAY_US,
  LoginThrottle,
  THROTTLE_MAX_ADDRESSES,
} from "./login-throttle.ts";

const failures = (throttle: LoginThrottle, address: string, count: number, nowUs: number): number[] =>
  Array.from({ length: count }, () => throttle.failed(address, nowUs, "owner"));

describe("failed logins", () => {
  it("cost nothing twice, then 250 ms doubling to 8 s, and no more", () => {
    expect(failures(new LoginThrottle(), "a", 10, 0)).toEqual(
      [0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000].map(millis),
    );
  });

  it("of one address never slow another", () => {
    const throttle = new LoginThrottle();
    failures(throttle, "192.0.2.1", 100, 0);
    expect(throttle.failed("192.0.2.2", 0)).toBe(0);
    expect(throttle.succeeded("192.0.2.3", 0, "owner")).toBe(0);
  });

  it("are forgotten one by one in quiet", () => {
    const throttle = new LoginThrottle();
    failures(throttle, "a", 20, 0);
    // Level 8, two forgotten, one more: level 7.
    expect(throttle.failed("a", FORGET_ONE_US * 2)).toBe(seconds(4));
    expect(throttle.failed("a", FORGET_ONE_US * 20)).toBe(0);
  });

  it("are cleared by a success, which is itself held once", () => {
    const throttle = new LoginThrottle();
    failures(throttle, "a", 4, 0);
    expect(throttle.succeeded("a", 1, "owner")).toBe(millis(500));
    expect(throttle.size).toBe(0);
    expect(throttle.succeeded("a", 1, "owner")).toBe(0);
    expect(throttle.failed("a", 1)).toBe(0);
  });

  it("under one name are neither cleared by a success under another, nor do they hold it", () => {
    const throttle = new LoginThrottle();
    failures(throttle, "a", 4, 0);
    expect(throttle.succeeded("a", 1, "viewer")).toBe(0);
    expect(throttle.failed("a", 1, "owner")).toBe(seconds(1));
    expect(throttle.succeeded("a", 2, "owner")).toBe(seconds(1));
  });

  it("under many names are cleared by none of them, and take bounded memory", () => {
    const throttle = new LoginThrottle();
    for (let i = 0; i < 3 * FAILED_NAMES_MAX; i++) throttle.failed("a", 0, `user ${i}`);
    for (const name of ["user 0", "user 20", "another"])
      expect(throttle.succeeded("a", 1, name)).toBe(LONGEST_DELAY_US);
  });

  it("of one peer are held up to a number; past it no login of it is looked at until one of them is due", () => {
    const throttle = new LoginThrottle();
    const delays = failures(throttle, "a", FREE_FAILURES + HELD_FAILURES_MAX - 1, 0);
    expect(throttle.busyFor("a", 0)).toBe(0);
    delays.push(throttle.failed("a", 0));
    expect(throttle.busyFor("a", 0)).toBe(millis(250));
    expect(throttle.busyFor("b", 0)).toBe(0);
    expect(throttle.busyFor("a", millis(249))).toBe(millis(1));
    expect(throttle.busyFor("a", millis(250))).toBe(0);
    failures(throttle, "a", 100, millis(250));
    expect(throttle.busyFor("a", millis(250))).toBeLessThanOrEqual(LONGEST_DELAY_US);
    expect(throttle.busyFor("a", millis(250) + LONGEST_DELAY_US)).toBe(0);
  });

  it("hold what is neither, which clears nothing", () => {
    const throttle = new LoginThrottle();
    expect(throttle.delay("a", 0)).toBe(0);
    failures(throttle, "a", 4, 0);
    expect([throttle.delay("a", 1), throttle.delay("b", 1)]).toEqual([millis(500), 0]);
    expect(throttle.failed("a", 1)).toBe(seconds(1));
  });

  it("of many addresses take bounded memory; the oldest failure is forgotten first", () => {
    const throttle = new LoginThrottle();
    failures(throttle, "first", 8, 0);
    failures(throttle, "second", 8, 0);
    expect(throttle.failed("first", 0)).toBe(LONGEST_DELAY_US);
    for (let i = 0; i < THROTTLE_MAX_ADDRESSES - 1; i++) throttle.failed(`address ${i}`, 1);
    expect(throttle.size).toBe(THROTTLE_MAX_ADDRESSES);
    expect(throttle.failed("first", 1)).toBe(LONGEST_DELAY_US);
    expect(throttle.failed("second", 1)).toBe(0);
  });

  it("cope with a clock that stands still or goes back", () => {
    const throttle = new LoginThrottle();
    failures(throttle, "a", 3, seconds(100));
    expect(throttle.failed("a", 0)).toBe(millis(500));
  });
});
