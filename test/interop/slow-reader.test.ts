/**
 * A reader that stops reading costs nobody else a frame, and goes on at a key frame when it reads again.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Reader } from "./rtsp-client.ts";
import { Server } from "./server.ts";
import { pause, within } from "./wait.ts";

const OTHERS = 11;
const FPS = 25;
/** High, so that the kernel's buffers are full soon. */
const BITRATE = 4_000_000;
/** Until the server skips: the buffers of both sides hold megabytes. */
const FULL_MS = 40_000;
/** How long it is skipped for. */
const SKIPPED_MS = 1_500;

let server: Server;
beforeAll(async () => {
  const profile = {
    path: "/live/back",
    camera: "back",
    codec: "h264",
    width: 1280,
    height: 720,
    fps: FPS,
    bitrate: BITRATE,
  };
  server = await Server.start({ config: { profiles: [profile] } });
});
afterAll(() => server?.stop());

test(
  "the others lose nothing, and the slow one is skipped to a key frame at a picture's border",
  () =>
    server.explain(async () => {
      const slow = await Reader.play(server, "/live/back", "tcp");
      const others = await Promise.all(
        Array.from({ length: OTHERS }, (_, i) => Reader.play(server, "/live/back", i % 2 === 0 ? "tcp" : "udp")),
      );
      await Promise.all([slow, ...others].map((reader) => reader.pictures(5, 10_000)));
      const before = others.map(({ track }) => track.pictures.length);
      const startedMs = performance.now();

      slow.client.pause();
      await within(FULL_MS, "a frame skipped for the slow reader", async () => {
        const status = await server.status();
        return status.clients.some((client) => client.skippedFrames > 0);
      });
      await pause(SKIPPED_MS);
      slow.client.resume();
      await within(10_000, "the slow reader's gap", () => slow.track.gaps.length > 0);
      await slow.pictures(slow.track.pictures.length + 2 * FPS, 10_000);

      const expected = ((performance.now() - startedMs) / 1_000) * FPS;
      for (const [i, { track, url, udp }] of others.entries()) {
        const who = `${url} over ${udp === undefined ? "TCP" : "UDP"}`;
        expect(track.lost, who).toBe(0);
        expect(Math.abs(track.pictures.length - before[i]! - expected), who).toBeLessThan(4);
      }
      const { gaps, oddities } = slow.track;
      expect(
        gaps.every((gap) => gap.afterPicture && gap.beforeKey),
        JSON.stringify(gaps),
      ).toBe(true);
      expect(oddities).toEqual([]);
      const client = (await server.status()).clients.filter((one) => one.skippedFrames > 0);
      expect(client).toHaveLength(1);
      await Promise.all([slow, ...others].map((reader) => reader.leave()));
    }),
  FULL_MS + 40_000,
);
