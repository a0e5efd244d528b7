import { describe, expect, it } from "vitest";
import { type Micros, millis, seconds } from "../time/units.ts";
import { HEAVY_QUEUE_US, QUEUE_LEFT_US, QUEUE_US, type ReportJudgement, ReportWatch } from "./report-watch.ts";

const WAY: Micros = millis(50);
const PACKET_BYTES = 1_000;

/** A viewer that reports every second. */
class Reports {
  readonly watch = new ReportWatch();
  #nowUs = 0;

  /** @param sent packets of 1,000 bytes in that second, or so many. @param queueUs undefined: it can't be told. */
  next({
    sent,
    lost = 0,
    queueUs = 0,
    jitterUs = 0,
    rate = sent * PACKET_BYTES * 8,
  }: {
    readonly sent: number;
    readonly lost?: number;
    readonly queueUs?: Micros | undefined;
    readonly jitterUs?: Micros;
    readonly rate?: number;
  }): ReportJudgement {
    this.#nowUs += seconds(1);
    const report = { nowUs: this.#nowUs, spanUs: seconds(1), sent, lost, jitter: 0 };
    const age = { arrivedUs: WAY + queueUs, waitingUs: queueUs === 0 ? 0 : WAY + queueUs };
    return this.watch.judge(report, rate, PACKET_BYTES, jitterUs, age);
  }
}

/** One that has reported nothing but good so far. */
function wellKnown(loss = 0): Reports {
  const reports = new Reports();
  for (let i = 0; i < 20; i++) reports.next({ sent: 400, lost: 400 * loss });
  return reports;
}

describe("a receiver report", () => {
  it("of no loss and no queue says that all is well", () => {
    expect(wellKnown().next({ sent: 400 })).toEqual({ kind: "clear" });
  });

  it("on a few packets says nothing", () => {
    expect(wellKnown().next({ sent: 7, lost: 7 })).toEqual({ kind: "unsure" });
  });

  it("of much loss says that the link is full, and bears what came through", () => {
    expect(wellKnown().next({ sent: 400, lost: 100 })).toMatchObject({ kind: "full", why: "loss" });
    const { capacity } = wellKnown().next({ sent: 400, lost: 100 }) as { capacity: number };
    // Small packets come through rather than large ones, so a little less than three quarters.
    expect(capacity).toBeGreaterThan(0.7 * 3_200_000);
    expect(capacity).toBeLessThan(0.75 * 3_200_000);
  });

  it.each([0.02, 0.05])("of the loss that this viewer always has, %d, says that all is well", (loss) => {
    const reports = wellKnown(loss);
    expect(reports.watch.usualLoss).toBeCloseTo(loss, 2);
    expect(reports.next({ sent: 400, lost: 400 * (loss + 0.05) }).kind).toBe("clear");
    expect(reports.next({ sent: 400, lost: 400 * (loss + 0.12) }).kind).toBe("full");
  });

  it("of a little loss says that the link is full when a queue stands, and only then", () => {
    expect(wellKnown().next({ sent: 400, lost: 8 }).kind).toBe("clear");
    expect(wellKnown().next({ sent: 400, lost: 8, queueUs: QUEUE_US + 1 })).toMatchObject({
      kind: "full",
      why: "loss",
    });
  });

  it("of loss that the rate's fall has not lessened makes it the usual one", () => {
    const reports = wellKnown();
    expect(reports.next({ sent: 400, lost: 80 }).kind).toBe("full");
    expect(reports.next({ sent: 300, lost: 60 }).kind).toBe("clear");
    expect(reports.watch.usualLoss).toBeGreaterThan(0.15);
    expect(reports.next({ sent: 300, lost: 60 }).kind).toBe("clear");
  });

  it("of loss that the rate's fall has lessened, with the queue gone, speaks of what was sent before", () => {
    const reports = wellKnown();
    expect(reports.next({ sent: 400, lost: 200 }).kind).toBe("full");
    expect(reports.next({ sent: 200, lost: 30, queueUs: 0 }).kind).toBe("unsure");
    // And so it is not taken for the usual.
    expect(reports.watch.usualLoss).toBe(0);
    expect(reports.next({ sent: 200, lost: 30 }).kind).toBe("full");
  });

  it("of lessened loss while the queue is there says that the rate has not fallen enough", () => {
    const reports = wellKnown();
    expect(reports.next({ sent: 400, lost: 200 }).kind).toBe("full");
    expect(reports.next({ sent: 200, lost: 30, queueUs: QUEUE_LEFT_US })).toMatchObject({ kind: "full", why: "loss" });
  });

  it("of a queue says nothing yet, and when it is there again that the link is full and bears what came through", () => {
    const reports = wellKnown();
    expect(reports.next({ sent: 400, queueUs: QUEUE_US + 1 }).kind).toBe("unsure");
    expect(reports.next({ sent: 300, queueUs: QUEUE_US + 1 })).toEqual({
      kind: "full",
      why: "round-trip",
      capacity: 2_400_000,
    });
  });

  it("of what is left of a queue, after one of loss, says the same: the link was full all the time", () => {
    const reports = wellKnown();
    expect(reports.next({ sent: 400, lost: 340, queueUs: millis(200) }).kind).toBe("full");
    expect(reports.next({ sent: 110, queueUs: QUEUE_LEFT_US + 1 })).toEqual({
      kind: "full",
      why: "round-trip",
      capacity: 880_000,
    });
    expect(reports.next({ sent: 100, queueUs: QUEUE_LEFT_US - 1 }).kind).toBe("clear");
  });

  it("of a long queue needs no second one", () => {
    expect(wellKnown().next({ sent: 50, queueUs: HEAVY_QUEUE_US + 1 })).toMatchObject({
      kind: "full",
      why: "round-trip",
      capacity: 400_000,
    });
  });

  it("of a jitter far above the usual is no reason to raise the rate", () => {
    const reports = wellKnown();
    expect(reports.next({ sent: 400, jitterUs: millis(5) }).kind).toBe("clear");
    expect(reports.next({ sent: 400, jitterUs: millis(60) }).kind).toBe("unsure");
  });
});

describe("a round trip over TCP", () => {
  const trip = (watch: ReportWatch, atS: number, ms: number | undefined) =>
    watch.judgeRoundTrip(seconds(atS), 4_000_000, ms === undefined ? undefined : millis(ms));

  it("that is not measured says nothing", () => {
    expect(trip(new ReportWatch(), 1, undefined)).toEqual({ kind: "unsure" });
  });

  it("that is long twice says that the link is full", () => {
    const watch = new ReportWatch();
    expect(trip(watch, 1, 50).kind).toBe("clear");
    expect(trip(watch, 2, 210).kind).toBe("unsure");
    expect(trip(watch, 3, 60).kind).toBe("clear");
    expect(trip(watch, 4, 210).kind).toBe("unsure");
    expect(trip(watch, 5, 210)).toEqual({ kind: "full", why: "round-trip", capacity: 3_800_000 });
  });
});
