/**
 * RTCP (RFC 3550 section 6): sender reports that a player can trust, signs of life, and goodbyes.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SenderReport } from "./rtp-track.ts";
import { Reader, receiverReport } from "./rtsp-client.ts";
import { Server } from "./server.ts";
import { within } from "./wait.ts";

const RTP_HZ = 90_000;
/** Seconds between the NTP epoch and the Unix epoch. */
const NTP_UNIX_OFFSET_S = 2_208_988_800;
const REPORT_INTERVAL_S = 5;
/** The shortest that the configuration takes. */
const SESSION_TIMEOUT_S = 10;

let server: Server;
beforeAll(async () => {
  server = await Server.start({ config: { rtsp: { sessionTimeout: SESSION_TIMEOUT_S } } });
});
afterAll(() => server?.stop());

/** Difference of two RTP times, modulo 2^32, in seconds. */
const rtpSeconds = (later: number, earlier: number): number => ((later - earlier) | 0) / RTP_HZ;

function expectTrueReports(reader: Reader, reports: readonly SenderReport[]): void {
  const { track } = reader;
  const [first, ...rest] = reports;
  expect(first!.atMs - track.first!.atMs).toBeLessThan(500);
  for (const [i, report] of rest.entries()) {
    const before = reports[i]!;
    const seconds = report.ntpSeconds - before.ntpSeconds;
    expect(Math.abs(seconds - REPORT_INTERVAL_S)).toBeLessThan(0.5);
    // The same span on both clocks: what lets a player put picture and wall clock together.
    expect(Math.abs(rtpSeconds(report.rtpTime, before.rtpTime) - seconds)).toBeLessThan(0.001);
    expect(report.packets).toBeGreaterThan(before.packets);
    expect(report.octets).toBeGreaterThan(before.octets);
  }
  const last = reports.at(-1)!;
  const receivedNtp = (performance.timeOrigin + last.atMs) / 1_000 + NTP_UNIX_OFFSET_S;
  expect(Math.abs(last.ntpSeconds - receivedNtp)).toBeLessThan(0.5);
  // Its RTP time is the capture time of now, so near the pictures that arrived just then.
  const nearest = track.pictures
    .map((picture) => Math.abs(rtpSeconds(picture.rtpTime, last.rtpTime)))
    .sort((a, b) => a - b);
  expect(nearest[0]).toBeLessThan(0.1);
  expect(reports.every((report) => report.ssrc === track.ssrc)).toBe(true);
  expect(track.names.length).toBeGreaterThan(0);
  expect(new Set(track.names).size).toBe(1);
}

describe.concurrent("while time passes", () => {
  for (const transport of ["udp", "tcp"] as const) {
    test(`a viewer over ${transport} gets a sender report with its first pictures and then every ${REPORT_INTERVAL_S} s`, () =>
      server.explain(async () => {
        const reader = await Reader.play(server, "/live/back", transport);
        await within(
          (2 * REPORT_INTERVAL_S + 3) * 1_000,
          "the third sender report",
          () => reader.track.senderReports.length >= 3,
        );
        expectTrueReports(reader, reader.track.senderReports);
        expect(reader.track.oddities).toEqual([]);
        await reader.leave();
      }));
  }

  test("a viewer over UDP that gives no sign of life is left after the time-out; with receiver reports or GET_PARAMETER it stays", () =>
    server.explain(async () => {
      const silent = await Reader.play(server, "/live/front", "udp");
      const reporting = await Reader.play(server, "/live/front", "udp");
      const asking = await Reader.play(server, "/live/front", "udp");
      const overTcp = await Reader.play(server, "/live/front", "tcp");
      const startedMs = performance.now();
      const signs = setInterval(() => {
        const { udp, track, serverPort } = reporting;
        udp?.rtcp.send(receiverReport(1, track.ssrc ?? 0), serverPort + 1, "127.0.0.1");
        asking.client.send("GET_PARAMETER", asking.url);
      }, 2_000);
      try {
        await within(
          (SESSION_TIMEOUT_S + 4) * 1_000,
          "the silent viewer's end",
          () => silent.track.goodbyes.length > 0,
        );
        expect(performance.now() - startedMs).toBeGreaterThan((SESSION_TIMEOUT_S - 0.5) * 1_000);
        for (const reader of [reporting, asking, overTcp]) {
          await reader.pictures(reader.track.pictures.length + 10, 3_000);
          expect(reader.track.lost).toBe(0);
        }
      } finally {
        clearInterval(signs);
        for (const reader of [silent, reporting, asking, overTcp]) reader.hangUp();
      }
    }));
});

test("receiver reports between the requests of a TCP connection disturb nothing", () =>
  server.explain(async () => {
    const reader = await Reader.play(server, "/live/back", "tcp");
    for (let i = 0; i < 20; i++) {
      reader.client.writeFrame(1, receiverReport(7, reader.track.ssrc ?? 0));
      expect((await reader.client.request("GET_PARAMETER", reader.url)).status).toBe(200);
    }
    await reader.pictures(reader.track.pictures.length + 5, 3_000);
    expect(reader.track.lost).toBe(0);
    await reader.leave();
  }));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} says BYE to every viewer, then the server ends with 0 and its ports are free`, async () => {
    const ending = await Server.start();
    const readers = await Promise.all([
      Reader.play(ending, "/live/back", "udp"),
      Reader.play(ending, "/live/back", "tcp"),
      Reader.play(ending, "/live/front/mjpeg", "udp"),
    ]);
    await Promise.all(readers.map((reader) => reader.pictures(2, 5_000)));
    await ending.stop(signal);
    await within(2_000, "a BYE for every viewer", () => readers.every((reader) => reader.track.goodbyes.length > 0));
    for (const reader of readers) {
      expect(reader.track.goodbyes).toEqual([reader.track.ssrc]);
      await reader.client.closed(2_000);
      reader.hangUp();
    }
    const { rtspPort, httpPort } = ending.ready;
    const next = await Server.start({ args: ["--rtsp-port", String(rtspPort), "--http-port", String(httpPort)] });
    expect([next.ready.rtspPort, next.ready.httpPort]).toEqual([rtspPort, httpPort]);
    await next.stop();
  });
}
