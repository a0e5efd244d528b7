/**
 * What receivers tell and what becomes of it: loss without what the server left out itself, and key frames for those whose
 * picture is broken (RFC 4585, RFC 5104).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RtpTrack } from "./rtp-track.ts";
import { Reader } from "./rtsp-client.ts";
import { Server } from "./server.ts";
import { pause, within } from "./wait.ts";

/** High, so that the kernel's buffers are full soon. */
const BITRATE = 4_000_000;
const FULL_MS = 40_000;
const SKIPPED_MS = 1_500;
/** Test cameras give a key frame every 2 s by themselves. */
const UNASKED_KEY_MS = 2_000;
const IDR = 5;

let server: Server;
beforeAll(async () => {
  const profile = { path: "/live/back", camera: "back", bitrate: BITRATE };
  server = await Server.start({ config: { profiles: [profile] } });
});
afterAll(() => server?.stop());

/** A receiver report (RFC 3550 section 6.4.2) as the track makes it: what is missing is lost. */
function honestReport(track: RtpTrack): Buffer {
  const report = Buffer.alloc(32);
  report.writeUInt32BE(0x81c90007, 0);
  report.writeUInt32BE(0x1234, 4);
  report.writeUInt32BE(track.ssrc ?? 0, 8);
  report.writeUInt32BE(track.lost & 0xffffff, 12);
  report.writeUInt32BE((track.first?.sequence ?? 0) + track.packets + track.lost - 1, 16);
  return report;
}

function pictureLoss(ssrc: number): Buffer {
  const packet = Buffer.alloc(12);
  packet.writeUInt32BE(0x81ce0002, 0);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

function fullIntraRequest(ssrc: number, sequence: number): Buffer {
  const packet = Buffer.alloc(20);
  packet.writeUInt32BE(0x84ce0004, 0);
  packet.writeUInt32BE(ssrc, 12);
  packet.writeUInt8(sequence, 16);
  return packet;
}

test(
  "what the server skips for a reader that stalls is no loss, however large the gap is in its reports",
  () =>
    server.explain(async () => {
      const reader = await Reader.play(server, "/live/back", "tcp");
      await reader.pictures(25, 10_000);
      reader.client.writeFrame(1, honestReport(reader.track));
      reader.client.pause();
      await within(FULL_MS, "a skipped frame", async () => {
        return (await server.status()).clients.some(({ skippedFrames }) => skippedFrames > 0);
      });
      await pause(SKIPPED_MS);
      reader.client.resume();
      await within(10_000, "the gap", () => reader.track.lost > 0);
      await reader.pictures(reader.track.pictures.length + 25, 10_000);
      reader.client.writeFrame(1, honestReport(reader.track));
      const reported = reader.track.lost;
      // Its answer comes when the report before it has been read.
      await reader.client.request("GET_PARAMETER", reader.url);
      expect(reported).toBeGreaterThan(20);
      expect((await server.status()).clients[0]?.loss).toMatchObject({ fraction: 0, packets: 0 });
      // A packet more that never came is the network's.
      reader.client.writeFrame(1, lossier(honestReport(reader.track)));
      await within(
        5_000,
        "loss in the status",
        async () => ((await server.status()).clients[0]?.loss?.packets ?? 0) > 0,
      );
      await reader.leave();
    }),
  FULL_MS + 40_000,
);

/** The same report with 30 packets more lost and received after. */
function lossier(report: Buffer): Buffer {
  report.writeUInt32BE(report.readUInt32BE(12) + 30, 12);
  report.writeUInt32BE(report.readUInt32BE(16) + 60, 16);
  return report;
}

for (const transport of ["udp", "tcp"] as const) {
  test(`a picture loss indication and a full intra request over ${transport} bring a key frame soon`, () =>
    server.explain(async () => {
      const reader = await Reader.play(server, "/live/back", transport);
      await reader.pictures(2, 10_000);
      const { track } = reader;
      const ssrc = track.ssrc ?? 0;
      const send = (packet: Buffer): void => {
        if (reader.udp === undefined) reader.client.writeFrame(1, packet);
        else reader.udp.rtcp.send(packet, reader.serverPort + 1, "127.0.0.1");
      };
      const isKey = (at: number): boolean => track.pictures[at]?.nalTypes.includes(IDR) === true;
      const nextKey = (from: number, boundMs: number): Promise<number> =>
        within(boundMs, "a key frame", () => {
          const at = track.pictures.findIndex((_, index) => index >= from && isKey(index));
          return at >= 0 ? at : undefined;
        });
      for (const packet of [pictureLoss(ssrc), fullIntraRequest(ssrc, 1), fullIntraRequest(ssrc, 2)]) {
        // Right behind one that came by itself, where the next is far.
        const unasked = await nextKey(track.pictures.length, 3 * UNASKED_KEY_MS);
        send(packet);
        const asked = await nextKey(unasked + 1, 3 * UNASKED_KEY_MS);
        const gapMs = track.pictures[asked]!.atMs - track.pictures[unasked]!.atMs;
        expect(gapMs).toBeLessThan(UNASKED_KEY_MS / 2);
      }
      // The last request once more, and one for another stream: the next key frame is the clip's own.
      const unasked = await nextKey(track.pictures.length, 3 * UNASKED_KEY_MS);
      send(fullIntraRequest(ssrc, 2));
      send(pictureLoss((ssrc ^ 1) >>> 0));
      const own = await nextKey(unasked + 1, 3 * UNASKED_KEY_MS);
      expect(own - unasked).toBeGreaterThan(40);
      await reader.leave();
    }));
}
