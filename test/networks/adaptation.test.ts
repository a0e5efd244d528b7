/**
 * Adaptation over real packets: readers over UDP and TCP, each behind a link that follows the trace (trace.ts), and beside
 * them two more whose streams do not adapt. docs/adaptation.md says what is promised.
 *
 * `PORTHOLE_HOST` names the host. On Node the figures over TCP are shown, not judged: it can't bound the kernel's buffer.
 * Plot, table and records go to test-output/networks, or where `PORTHOLE_FIGURES` says.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { figuresOf, type LaneFigures } from "./figures.ts";
import { testOnLink } from "./link.ts";
import { CEILING, FLOOR, type Lane, type LaneRecord, nameOf, runPass } from "./pass.ts";
import { plot } from "./plot.ts";
import { tableOf } from "./table.ts";
import { DOWN, TCP_LOSS_MAX_PERCENT, TRACE, UP } from "./trace.ts";

const HOST = process.env.PORTHOLE_HOST === "node" ? "node" : "jvm";
const OUTPUT = process.env.PORTHOLE_FIGURES ?? fileURLToPath(new URL("../../test-output/networks", import.meta.url));

const DOWN_TCP_MS = 3_000;
const DOWN_REPORTS = 2;
const UP_MS = 15_000;
/** Over TCP 500 ms is the aim too; a rate that has risen too far costs a second before it has fallen and the queue is gone. */
const LATE_MS = { udp: 500, tcp: 1_500 };
const LATE_SETTLING_MS = 2_500;
/** Falls by more than a tenth within a step, after its target was reached: one every 5 s. */
const CUTS_MAX = 6;
/** And so much of the link's rate is aimed at on average. */
const USED_SHARE = 0.4;
const PASS_MS = 240_000;

const LANES: readonly Lane[] = [
  { transport: "udp", adaptive: true },
  { transport: "tcp", adaptive: true },
  { transport: "udp", adaptive: false },
  { transport: "tcp", adaptive: false },
];

let records: readonly LaneRecord[] = [];
const figures = new Map<string, LaneFigures>();
const of = (transport: Lane["transport"], adaptive: boolean): LaneFigures => {
  const found = figures.get(nameOf({ transport, adaptive }));
  if (found === undefined) throw new Error("the pass over the links failed");
  return found;
};
const recordOf = (name: string): LaneRecord => records.find(({ lane }) => nameOf(lane) === name)!;

describe(`The ${HOST} host over links of 8, 1 and 4 Mbit/s`, () => {
  beforeAll(async () => {
    if (testOnLink !== test) return;
    records = await runPass({ host: HOST, trace: TRACE, lanes: LANES });
    for (const record of records) figures.set(nameOf(record.lane), figuresOf(record, TRACE));
    const table = tableOf(figures);
    mkdirSync(OUTPUT, { recursive: true });
    writeFileSync(join(OUTPUT, `${HOST}.svg`), plot(`${HOST.toUpperCase()} host`, records, TRACE));
    writeFileSync(join(OUTPUT, `${HOST}.md`), table);
    process.stdout.write(`\n${table}\n`);
  }, PASS_MS);

  testOnLink("every reader stays to the end", () => {
    for (const { lane, reader } of records) expect(reader.stayed, nameOf(lane)).toBe(true);
  });

  testOnLink(`over UDP the rate is below the link's within ${DOWN_REPORTS} receiver reports`, () => {
    const { reports, reachedMs } = of("udp", true).steps[DOWN]!;
    expect(reachedMs).toBeDefined();
    // Loss takes reports too. The link tells how many packets of that direction; hardly anything else goes there.
    const { seconds, steps } = recordOf("adaptive-udp");
    const fromMs = steps[DOWN]!.wallMs;
    const gone = seconds
      .filter(({ wallMs }) => wallMs > fromMs && wallMs < fromMs + (reachedMs ?? 0) + 1_000)
      .reduce((sum, { up }) => sum + up.droppedByLoss, 0);
    expect(reports).toBeLessThanOrEqual(DOWN_REPORTS + gone);
  });

  const judged = HOST === "node" ? (["udp"] as const) : (["udp", "tcp"] as const);
  testOnLink.each(judged.filter((transport) => transport === "tcp"))(
    `over %s the rate is below the link's within ${DOWN_TCP_MS} ms`,
    (transport) => expect(of(transport, true).steps[DOWN]!.reachedMs).toBeLessThanOrEqual(DOWN_TCP_MS),
  );

  testOnLink.each(judged)(`over %s the rate is up again within ${UP_MS} ms`, (transport) => {
    expect(of(transport, true).steps[UP]!.reachedMs).toBeLessThanOrEqual(UP_MS);
  });

  testOnLink.each(judged)(
    `over %s 99 of 100 pictures come within the bound, and within ${LATE_SETTLING_MS} ms in the 5 s after the link became slower`,
    (transport) => {
      expect(of(transport, true).p99Ms).toBeLessThanOrEqual(LATE_MS[transport]);
      expect(of(transport, true).settlingP99Ms).toBeLessThanOrEqual(LATE_SETTLING_MS);
    },
  );

  testOnLink.each(judged)("over %s the rate is no pendulum, and uses the link", (transport) => {
    for (const [index, { cuts, step, targets }] of of(transport, true).steps.entries()) {
      if (transport === "tcp" && step.lossPercent > TCP_LOSS_MAX_PERCENT) continue;
      expect(cuts, `step ${index}`).toBeLessThanOrEqual(CUTS_MAX);
      const possible = Math.min(CEILING, step.bitsPerSecond);
      expect(targets.mean, `step ${index}`).toBeGreaterThanOrEqual(Math.max(FLOOR, USED_SHARE * possible));
    }
  });

  testOnLink("without adaptation hardly a picture comes whole over UDP, and over TCP they come late", () => {
    const udp = [of("udp", true), of("udp", false)].map(({ steps }) => steps[DOWN]!.wholePictures);
    expect(udp[1]).toBeLessThan(udp[0]! / 4);
    const tcp = [of("tcp", true), of("tcp", false)].map(({ steps }) => steps[DOWN]!);
    expect(tcp[1]!.pictures).toBeLessThan(tcp[0]!.pictures / 2);
    expect(tcp[1]!.p50Ms).toBeGreaterThan(tcp[0]!.p50Ms!);
  });
});
