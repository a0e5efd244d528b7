import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TimerQueue } from "./timer-queue.ts";

describe("the timer queue", () => {
  it("runs what is due in order of time, then of setting, and nothing else", () => {
    const queue = new TimerQueue();
    const ran: string[] = [];
    queue.at(30, () => ran.push("30"));
    queue.at(10, () => ran.push("10 first"));
    queue.at(10, () => ran.push("10 second"));
    queue.runDue(29);
    expect(ran).toEqual(["10 first", "10 second"]);
    expect(queue.nextDueUs()).toBe(30);
  });

  it("leaves a timer that is set by a running one for the next call, even when it is due", () => {
    const queue = new TimerQueue();
    let runs = 0;
    const again = (): void => {
      runs++;
      queue.at(0, again);
    };
    queue.at(0, again);
    queue.runDue(5);
    expect(runs).toBe(1);
    queue.runDue(5);
    expect(runs).toBe(2);
  });

  it("never runs a cancelled timer, even one cancelled by an earlier timer of the same turn", () => {
    const queue = new TimerQueue();
    const ran: string[] = [];
    queue.at(1, () => second.cancel());
    const second = queue.at(2, () => ran.push("second"));
    queue.runDue(10);
    expect(ran).toEqual([]);
    expect(queue.size).toBe(0);
    expect(queue.nextDueUs()).toBe(-1);
  });

  it("agrees with a sorted list under any sequence of setting, cancelling and running", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), at: fc.integer({ min: 0, max: 1000 }) }),
      fc.record({ kind: fc.constant("cancel" as const), index: fc.nat(200) }),
      fc.record({ kind: fc.constant("run" as const), to: fc.integer({ min: 0, max: 1000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const queue = new TimerQueue();
        let model: { id: number; at: number }[] = [];
        const timers: { id: number; cancel: () => void }[] = [];
        const ran: number[] = [];
        let nextId = 0;
        for (const s of steps) {
          if (s.kind === "set") {
            const id = nextId++;
            model.push({ id, at: s.at });
            const timer = queue.at(s.at, () => ran.push(id));
            timers.push({ id, cancel: () => timer.cancel() });
          } else if (s.kind === "cancel") {
            const timer = timers[s.index];
            timer?.cancel();
            model = model.filter((m) => m.id !== timer?.id);
          } else {
            ran.length = 0;
            queue.runDue(s.to);
            const due = model.filter((m) => m.at <= s.to).sort((a, b) => a.at - b.at || a.id - b.id);
            model = model.filter((m) => m.at > s.to);
            expect(ran).toEqual(due.map((m) => m.id));
          }
          expect(queue.size).toBe(model.length);
          expect(queue.nextDueUs()).toBe(model.length === 0 ? -1 : Math.min(...model.map((m) => m.at)));
        }
      }),
    );
  });
});
