/**
 * What a viewer gets first, and how soon.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isKeyPicture } from "./rtp-track.ts";
import { Reader } from "./rtsp-client.ts";
import { Server } from "./server.ts";
import { median, pause } from "./wait.ts";

const H264 = ["/live/back", "/live/front"];
const JPEG = ["/live/back/mjpeg", "/live/front/mjpeg"];
const TRANSPORTS = ["udp", "tcp"] as const;

const READERS = 12;
const KEY_INTERVAL_MS = 2_000;
const FIRST_PICTURE_MS = 100;

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

describe("a viewer's first packet", () => {
  for (const transport of TRANSPORTS) {
    for (const path of [...H264, ...JPEG]) {
      test(`of ${path} over ${transport} is the one that RTP-Info promised, and begins a key picture`, () =>
        server.explain(async () => {
          const reader = await Reader.play(server, path, transport);
          await reader.pictures(3, 5_000);
          const { track } = reader;
          expect(reader.rtpInfo).toEqual({
            url: reader.control,
            sequence: track.first?.sequence,
            rtpTime: track.first?.rtpTime,
          });
          // Over TCP the order can be seen: the answer, then the first `$`.
          expect(reader.played?.framesBefore).toBe(0);
          if (H264.includes(path)) {
            expect(track.first?.nalTypes).toEqual([7, 8]);
            expect(track.pictures[0]?.nalTypes.filter((type) => type !== 6)).toEqual([7, 8, 5]);
          }
          expect(track.lost).toBe(0);
          expect(track.oddities).toEqual([]);
          await reader.leave();
        }));
    }
  }

  test("of a second viewer is a key picture as well, whenever it comes", () =>
    server.explain(async () => {
      const first = await Reader.play(server, "/live/back", "tcp");
      for (const afterPictures of [3, 10, 30]) {
        await first.pictures(first.track.pictures.length + afterPictures, 5_000);
        const second = await Reader.play(server, "/live/back", "udp");
        await second.pictures(2, 5_000);
        expect(second.rtpInfo?.sequence).toBe(second.track.first?.sequence);
        expect(second.rtpInfo?.rtpTime).toBe(second.track.first?.rtpTime);
        expect(isKeyPicture(second.track.pictures[0]!)).toBe(true);
        await second.leave();
      }
      // The key pictures made for others are no gap for the one who was there.
      expect(first.track.lost).toBe(0);
      expect(first.track.oddities).toEqual([]);
      await first.leave();
    }));
});

describe("the first picture", () => {
  for (const transport of TRANSPORTS) {
    test(`is there ${FIRST_PICTURE_MS} ms after PLAY at the median of ${READERS} viewers over ${transport} that join over a key interval`, () =>
      server.explain(async () => {
        const joining: Promise<Reader>[] = [];
        for (let i = 0; i < READERS; i++) {
          const reader = await Reader.setUp(server, "/live/back", transport);
          const played = reader.play().then(async () => {
            await reader.pictures(1, 5_000);
            return reader;
          });
          joining.push(played);
          await pause(KEY_INTERVAL_MS / READERS);
        }
        const readers = await Promise.all(joining);
        const times = readers.map((reader) => reader.track.pictures[0]!.atMs - reader.playSentMs);
        expect(median(times), `times in ms: ${times.map((ms) => ms.toFixed(0)).join(" ")}`).toBeLessThan(
          FIRST_PICTURE_MS,
        );
        for (const reader of readers) expect(isKeyPicture(reader.track.pictures[0]!)).toBe(true);
        await Promise.all(readers.map((reader) => reader.leave()));
      }));
  }
});
