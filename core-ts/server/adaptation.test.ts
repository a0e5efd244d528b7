import { describe, expect, it } from "vitest";
import { Simulation } from "../../test/links/simulation.ts";
import { HttpClient, interleaved, jpegOf, RtspClient, receiverReport, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const M = 1_000_000;

const clientsOf = (world: World) => JSON.parse(world.server.status()).clients;
const requestsOf = (world: World) => world.host.called("encoderRequestKeyFrame").length;

/** A report as an honest receiver writes it: gaps in the sequence numbers are lost packets. */
function honestReport(client: RtspClient): Uint8Array {
  const seen = client.rtp();
  const { ssrc, sequence: first } = seen[0]!;
  let highest = first;
  for (const { sequence } of seen) highest += ((sequence - highest) << 16) >> 16;
  return receiverReport({ ssrc, highest, lost: highest - first + 1 - seen.length });
}

/** PLI (RFC 4585 section 6.3.1). */
function pictureLoss(ssrc: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint32(0, 0x81ce0002);
  view.setUint32(4, 7);
  view.setUint32(8, ssrc);
  return new Uint8Array(view.buffer);
}

/** FIR (RFC 5104 section 4.3.1). */
function fullIntraRequest(ssrc: number, sequence: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(20));
  view.setUint32(0, 0x84ce0004);
  view.setUint32(4, 7);
  view.setUint32(12, ssrc);
  view.setUint8(16, sequence);
  return new Uint8Array(view.buffer);
}

describe("the loss in the status", () => {
  it("is 0 for a reader that was skipped on a connection that loses nothing", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(SECOND);
    client.raw(interleaved(1, honestReport(client)));
    for (let round = 0; round < 3; round++) {
      client.peer.window = 0;
      client.watch(3 * SECOND);
      client.peer.open();
      client.watch(3 * SECOND);
      client.raw(interleaved(1, honestReport(client)));
      const [figures] = clientsOf(world);
      expect(figures.skippedFrames).toBeGreaterThan(20 * (round + 1));
      expect(figures.loss).toMatchObject({ fraction: 0, packets: 0 });
    }
    const seen = client.rtp();
    const gaps = seen.slice(1).filter(({ sequence }, i) => ((sequence - seen[i]!.sequence) & 0xffff) !== 1);
    expect(gaps.length).toBeGreaterThanOrEqual(3);
  });
});

describe("a reader whose picture is broken", () => {
  const started = () => {
    const world = startServer({ profiles: [{ path: "/live/back", camera: "back", keyInterval: 60 }] });
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(2 * SECOND);
    const { ssrc } = client.rtp()[0]!;
    return { world, client, ssrc, before: requestsOf(world) };
  };

  it("gets a key frame for a picture loss indication or a full intra request, if that is about this stream", () => {
    const { world, client, ssrc, before } = started();
    client.raw(interleaved(1, pictureLoss(ssrc)));
    expect(requestsOf(world)).toBe(before + 1);
    client.watch(SECOND);
    client.raw(interleaved(1, fullIntraRequest(ssrc, 9)));
    expect(requestsOf(world)).toBe(before + 2);
    client.watch(SECOND);
    // The same request again, and ones for others.
    for (const packet of [fullIntraRequest(ssrc, 9), fullIntraRequest(ssrc ^ 1, 10), pictureLoss(ssrc ^ 1)]) {
      client.raw(interleaved(1, packet));
      client.watch(SECOND);
    }
    expect(requestsOf(world)).toBe(before + 2);
    client.raw(interleaved(1, fullIntraRequest(ssrc, 10)));
    expect(requestsOf(world)).toBe(before + 3);
  });

  it("can't have more of them than anybody: 20 at once and one a second, 100 ms apart", () => {
    const { world, client, ssrc, before } = started();
    for (let i = 0; i < 1_000; i++) {
      client.raw(interleaved(1, i % 2 === 0 ? pictureLoss(ssrc) : fullIntraRequest(ssrc, i & 255)));
      client.watch(20_000);
    }
    const asked = requestsOf(world) - before;
    expect(asked).toBeGreaterThan(20);
    expect(asked).toBeLessThanOrEqual(20 + 20 + 1);
  });

  it("gets one when it reports heavy loss over UDP, and not for each report", () => {
    const run = new Simulation({ bitrate: M });
    run.viewer({ transport: "udp", reportUs: SECOND, trace: [[0, 8 * M]], loss: (us) => (us > 10 * SECOND ? 0.2 : 0) });
    run.until(10 * SECOND);
    const encoder = run.host.encodersOf("back")[0]!;
    const before = encoder.keyRequests;
    run.until(12.5 * SECOND);
    expect(encoder.keyRequests).toBe(before + 1);
    run.until(30 * SECOND);
    expect(encoder.keyRequests - before).toBeLessThanOrEqual(5);
  });
});

describe("an operator's bit rate", () => {
  it("is the ceiling, at once and from then on", () => {
    const run = new Simulation({ bitrate: 4 * M });
    run.viewer({
      transport: "udp",
      reportUs: SECOND,
      trace: [
        [0, 8 * M],
        [10 * SECOND, 2 * M],
      ],
    });
    run.until(20 * SECOND);
    const reduced = run.targetAt(20 * SECOND);
    expect(reduced).toBeLessThan(2.2 * M);
    const http = new HttpClient(run.world);
    const set = (bitrate: number) => {
      const body = JSON.stringify({ profile: "/live/back", bitrate });
      return http.request("POST", "/api/commands/set-bitrate", { "Content-Type": "application/json" }, body).status;
    };
    expect(set(3 * M)).toBe(200);
    run.until(run.us + 100_000);
    expect(run.host.encodersOf("back")[0]!.bitrate).toBeLessThan(2.2 * M);
    expect(set(1 * M)).toBe(200);
    run.until(run.us + SECOND);
    expect(run.host.encodersOf("back")[0]!.bitrate).toBe(M);
    const [profile] = JSON.parse(run.world.server.status()).profiles;
    expect(profile.targetBitrate).toBe(M);
  });
});

describe("what adaptation does", () => {
  it("stands in status, metrics and events, the events bounded", () => {
    const run = new Simulation({ bitrate: 4 * M });
    const events: { bitrate: number; full: number; client: number | null; reason: string | null }[] = [];
    run.world.server.runtime.events.subscribe(({ type, data }) => {
      if (type === "stream.adapted") events.push(data as (typeof events)[number]);
    });
    run.viewer({
      transport: "udp",
      reportUs: SECOND,
      trace: [
        [0, 8 * M],
        [10 * SECOND, M],
        [60 * SECOND, 20 * M],
      ],
    });
    run.until(50 * SECOND);
    const { encoders, clients, profiles } = JSON.parse(run.world.server.status());
    expect(encoders[0].adaptation).toMatchObject({
      state: "reduced",
      targetBitrate: run.targetAt(run.us),
      floorBitrate: 300_000,
      ceilingBitrate: 4 * M,
      leader: 1,
      reason: "loss",
    });
    expect(profiles[0].targetBitrate).toBe(run.targetAt(run.us));
    expect(clients[0].link).toMatchObject({ belowFloor: false, reason: "loss" });
    const metrics = run.world.server.metrics();
    expect(metrics).toContain(
      `porthole_encoder_target_bytes_per_second{encoder="h264 /live/back"} ${run.targetAt(run.us) / 8}`,
    );
    expect(metrics).toMatch(/porthole_encoder_adaptations_total\{encoder="h264 \/live\/back",direction="down"\} [1-9]/);
    expect(events[0]).toMatchObject({ full: 4 * M, client: 1, reason: "loss" });
    run.until(90 * SECOND);
    expect(events.at(-1)).toMatchObject({ bitrate: 4 * M, client: null, reason: null });
    expect(events.length).toBeLessThanOrEqual(9);
  });

  it("is undone when the last viewer has left: the next one begins with the whole rate", () => {
    const run = new Simulation({ bitrate: 4 * M });
    const slow = run.viewer({ transport: "tcp", trace: [[0, M]] });
    run.until(10 * SECOND);
    expect(run.targetAt(10 * SECOND)).toBeLessThan(1.3 * M);
    slow.leave();
    run.until(12 * SECOND);
    run.viewer({ transport: "tcp", trace: [[0, 20 * M]] });
    run.until(13 * SECOND);
    expect(run.targetAt(13 * SECOND)).toBe(4 * M);
  });
});

describe("MJPEG for slow viewers", () => {
  it("loses quality first, then pictures, and gets both back", () => {
    const world = startServer({ mjpeg: { fps: 25 } });
    world.host.encoding = false;
    const client = new HttpClient(world);
    client.send("GET", "/back/");
    const encoder = () => world.host.encodersOf("back")[0]!;
    let n = 0;
    let bytesASecond = 0;
    const seen: { quality: number; fps: number }[] = [];
    const run = (us: number): void => {
      for (let at = 0; at < us; at += 40_000) {
        world.host.advance(world.core, 20_000);
        client.peer.open(Math.min(bytesASecond, client.peer.window + bytesASecond * 0.04));
        const bytes = Math.round(50_000 * ((encoder().quality ?? 80) / 80));
        world.host.jpegFrame(encoder().handle, jpegOf(bytes, n++ & 127));
        world.host.settle(world.core);
        world.host.advance(world.core, 20_000);
        const { quality, fps } = JSON.parse(world.server.status()).encoders.find(
          ({ codec }: { codec: string }) => codec === "jpeg",
        ).adaptation;
        if (seen.at(-1)?.quality !== quality || seen.at(-1)?.fps !== fps) seen.push({ quality, fps });
      }
    };
    bytesASecond = 4_000_000;
    run(5 * SECOND);
    expect(seen).toEqual([{ quality: 80, fps: 25 }]);
    bytesASecond = 200_000;
    run(30 * SECOND);
    const least = seen.at(-1)!;
    expect(least.quality).toBe(30);
    expect(least.fps).toBeLessThan(15);
    expect(seen.every(({ quality, fps }) => fps === 25 || quality === 30)).toBe(true);
    bytesASecond = 4_000_000;
    run(40 * SECOND);
    expect(seen.at(-1)).toEqual({ quality: 80, fps: 25 });
  });
});
