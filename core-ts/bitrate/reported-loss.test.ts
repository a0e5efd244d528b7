import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReportBlock } from "../rtcp/receiver-report.ts";
import { GAPS_MAX, ReportedLoss } from "./reported-loss.ts";

const SECOND = 1_000_000;
const block = (highest: number, lost: number): ReportBlock => ({
  ssrc: 1,
  fractionLost: 0,
  cumulativeLost: lost,
  extendedHighestSequence: highest,
  jitter: 0,
  lastSenderReport: 0,
  delaySinceLastSenderReport: 0,
});

describe("the loss that a viewer reports", () => {
  it("is what its counters rose by since the report before, and begins with its first packet", () => {
    const loss = new ReportedLoss();
    loss.joined(100, 0);
    expect(loss.report(block(199, 5), SECOND)).toMatchObject({ spanUs: SECOND, sent: 100, lost: 5 });
    expect(loss.report(block(299, 5), 3 * SECOND)).toMatchObject({ spanUs: 2 * SECOND, sent: 100, lost: 0 });
    expect(loss.fraction).toBe(0);
    expect(loss.report(block(309, 10), 4 * SECOND)).toMatchObject({ sent: 10, lost: 5 });
    expect([loss.fraction, loss.lostPackets]).toEqual([0.5, 10]);
  });

  it("is without what we skipped, in the report that counts the gap and in no other", () => {
    const loss = new ReportedLoss();
    loss.joined(0, 0);
    loss.skipped(149, 50); // 100 … 149
    // Written before the first packet behind the gap came.
    expect(loss.report(block(99, 0), SECOND)).toMatchObject({ sent: 100, lost: 0 });
    expect(loss.report(block(199, 50), 2 * SECOND)).toMatchObject({ sent: 50, lost: 0 });
    expect(loss.report(block(299, 60), 3 * SECOND)).toMatchObject({ sent: 100, lost: 10 });
    expect(loss.lostPackets).toBe(10);
  });

  it("goes on when the sequence numbers wrap, which receivers count from their own first packet", () => {
    const loss = new ReportedLoss();
    loss.joined(65_500, 0);
    loss.skipped(10, 11); // 0 … 10
    expect(loss.report(block(65_536 + 35, 11), SECOND)).toMatchObject({ sent: 61, lost: 0 });
    expect(loss.report(block(2 * 65_536 + 35, 11), 2 * SECOND)).toMatchObject({ sent: 65_536, lost: 0 });
  });

  it("does not count the pause of a viewer who comes back", () => {
    const loss = new ReportedLoss();
    loss.joined(0, 0);
    loss.report(block(99, 0), SECOND);
    loss.joined(1_100, 60 * SECOND);
    expect(loss.report(block(1_199, 1_000), 61 * SECOND)).toMatchObject({ spanUs: SECOND, sent: 100, lost: 0 });
  });

  it("is nothing where duplicates made the counter fall, where a report repeats, and where one begins anew", () => {
    const loss = new ReportedLoss();
    loss.joined(0, 0);
    expect(loss.report(block(99, -3), SECOND)).toMatchObject({ sent: 100, lost: 0 });
    expect(loss.report(block(99, -3), 2 * SECOND)).toBeUndefined();
    expect(loss.report(block(50, 0), 3 * SECOND)).toBeUndefined();
    expect(loss.report(block(149, 7), 4 * SECOND)).toMatchObject({ sent: 99, lost: 7 });
  });

  it("never exceeds what was sent, whatever a peer claims, and the gaps kept are bounded", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.nat(0xffff), fc.nat(500), fc.integer(), fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 })),
        ),
        (steps) => {
          const loss = new ReportedLoss();
          loss.joined(7, 0);
          for (const [last, packets, highest, lost] of steps) {
            loss.skipped(last, packets);
            const report = loss.report(block(highest >>> 0, lost), SECOND);
            if (report === undefined) continue;
            expect(report.sent).toBeGreaterThanOrEqual(0);
            expect(report.lost).toBeGreaterThanOrEqual(0);
            expect(report.lost).toBeLessThanOrEqual(report.sent);
          }
        },
      ),
    );
    const loss = new ReportedLoss();
    loss.joined(0, 0);
    for (let i = 1; i <= 3 * GAPS_MAX; i++) loss.skipped(10 * i, 3);
    expect(loss.report(block(30 * GAPS_MAX + 9, 9 * GAPS_MAX), SECOND)).toMatchObject({
      sent: 30 * GAPS_MAX + 10 - 9 * GAPS_MAX,
      lost: 0,
    });
  });
});
