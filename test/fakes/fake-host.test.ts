import { describe, expect, test } from "vitest";
import type { Core } from "../../bindings/contract/core.ts";
import type { HostEvent } from "../../bindings/contract/events.ts";
import { CONTROL_LANE_BYTES, Code } from "../../bindings/contract/host.ts";
import { GatherPlan } from "../../core-ts/bytes/gather-plan.ts";
import { FakeHost, type FakePeer, JPEG, runPlan, SPS, sliceOf } from "./fake-host.ts";

/** A core that only takes its events and remembers them. */
function collector(host: FakeHost): Core & { readonly seen: HostEvent[] } {
  const seen: HostEvent[] = [];
  const turn = (): number => {
    seen.push(...(JSON.parse(host.takeEvents()) as HostEvent[]));
    return -1;
  };
  return { contractVersion: 1, start: () => undefined, turn, seen };
}

/** Two packets of five bytes each: a literal of one and a slice of four. */
function twoPackets(): GatherPlan {
  const plan = new GatherPlan();
  plan.reset();
  for (const offset of [0, 4]) {
    plan.literalBytes([0x24]);
    plan.slice(offset, 4);
    plan.boundary();
  }
  return plan;
}

type Setup = {
  readonly host: FakeHost;
  readonly peer: FakePeer;
  readonly encoder: number;
  readonly outlet: number;
  readonly fanout: number;
};

function setup(overflow: "skip-to-key" | "latest-only", maxBytes = 25): Setup {
  const host = new FakeHost();
  host.encoding = false;
  host.tcpListen(JSON.stringify({ address: "127.0.0.1", port: 7778 }));
  const peer = host.connect(7778);
  const encoder = host.encoderOpen(
    JSON.stringify({ camera: "back", codec: "h264", width: 64, height: 48, fps: 25, rotation: 0, mirror: false }),
  );
  const outlet = host.outletOpen(JSON.stringify({ connection: peer.handle, maxBytes, maxAgeMs: 1_000, overflow }));
  const fanout = host.fanoutCreate("interleaved");
  host.fanoutAdd(fanout, outlet);
  return { host, peer, encoder, outlet, fanout };
}

function offer({ host, encoder, fanout }: Setup, key: boolean): number {
  const frame = host.h264Frame(encoder, [sliceOf(key, 8, 1)]);
  const plan = twoPackets();
  const takers = host.fanoutSend(fanout, frame, plan.bytes, plan.length, key);
  host.turn(collector(host));
  return takers;
}

describe("the fake host", () => {
  test("hands bytes over as text, byte 0 as U+0100, and splits them at 32 KiB a connection", () => {
    const host = new FakeHost();
    const core = collector(host);
    host.tcpListen(JSON.stringify({ address: "0.0.0.0", port: 0 }));
    const peer = host.connect(0);
    peer.send(Uint8Array.of(0, 1, 255));
    peer.send(new Uint8Array(40_000));
    peer.end();
    host.turn(core);
    const received = core.seen.filter((event) => event.type === "received");
    expect(received.map((event) => event.data.length)).toEqual([3, 32 * 1024 - 3]);
    expect(received[0]?.data).toBe("\u0100\u0001\u00ff");
    expect(core.seen.some((event) => event.type === "ended")).toBe(false);
    host.settle(core);
    expect(core.seen.at(-1)?.type).toBe("ended");
  });

  test("refuses a view of a larger buffer, of which the bridge would send everything", () => {
    const host = new FakeHost();
    expect(() => host.tcpWrite(1, new Int8Array(10).subarray(0, 4))).toThrow("4 of 10 bytes");
  });

  test("runs a plan over a frame and refuses one that leaves it", () => {
    const plan = twoPackets();
    const program = new Uint8Array(plan.bytes.buffer, 0, plan.length);
    const frame = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(runPlan(program, frame)).toEqual({
      bytes: Uint8Array.of(0x24, 1, 2, 3, 4, 0x24, 5, 6, 7, 8),
      ends: [5, 10],
    });
    expect(runPlan(program, frame.subarray(0, 7))).toBeUndefined();
    expect(runPlan(program.subarray(0, program.length - 2), frame)).toBeUndefined();
  });

  test("releases a frame with the turn that reported it, unless it was kept", () => {
    const { host, encoder } = setup("skip-to-key");
    const core = collector(host);
    const frame = host.h264Frame(encoder, [SPS, sliceOf(true, 8, 1)]);
    const blob = host.keepFrame(frame);
    host.turn(core);
    expect(host.keepFrame(frame)).toBe(Code.GONE);
    expect(host.blobCount).toBe(1);
    expect(host.blobRelease(blob)).toBe(Code.OK);
    expect(host.blobCount).toBe(0);
  });

  test("lets control bytes pass between packets but never inside one", () => {
    const stream = setup("skip-to-key");
    stream.peer.window = 2;
    expect(offer(stream, true)).toBe(1);
    stream.host.tcpWrite(stream.peer.handle, Int8Array.of(0x52));
    stream.peer.open();
    expect([...stream.peer.take()].map((byte, at) => (at === 0 || at === 5 || at === 6 ? byte : 0))).toEqual([
      0x24, 0, 0, 0, 0, 0x52, 0x24, 0, 0, 0, 0,
    ]);
  });

  test("skips a reader that does not take its bytes to the next key unit, and reports it", () => {
    const stream = setup("skip-to-key");
    expect(offer(stream, false)).toBe(0);
    stream.peer.window = 0;
    expect(offer(stream, true)).toBe(1);
    expect(offer(stream, false)).toBe(1);
    expect(offer(stream, false)).toBe(0);
    expect(offer(stream, true)).toBe(1);
    const core = collector(stream.host);
    offer(stream, false);
    stream.host.turn(core);
    const skips = stream.host.outletStats(stream.outlet);
    expect(JSON.parse(skips)).toMatchObject({ queuedBytes: 20, skippedUnits: 3 });
  });

  test("keeps only the newest unbegun unit of a latest-only outlet", () => {
    const stream = setup("latest-only");
    stream.peer.window = 0;
    for (let i = 0; i < 5; i++) expect(offer(stream, true)).toBe(1);
    expect(JSON.parse(stream.host.outletStats(stream.outlet))).toMatchObject({ queuedBytes: 10, skippedUnits: 4 });
  });

  test("answers FULL past the control lane's bound and says when there is room again", () => {
    const { host, peer } = setup("skip-to-key");
    const core = collector(host);
    peer.window = 0;
    expect(host.tcpWrite(peer.handle, new Int8Array(CONTROL_LANE_BYTES))).toBe(CONTROL_LANE_BYTES);
    expect(host.tcpWrite(peer.handle, Int8Array.of(1))).toBe(Code.FULL);
    peer.open(CONTROL_LANE_BYTES / 2 - 1);
    host.turn(core);
    expect(core.seen.some((event) => event.type === "writable")).toBe(false);
    peer.open(1);
    host.turn(core);
    expect(core.seen.filter((event) => event.type === "writable")).toHaveLength(1);
  });

  test("drops frames of which a turn takes no notice through the next key frame", () => {
    const { host, encoder } = setup("skip-to-key");
    const core = collector(host);
    for (let i = 0; i < 10; i++) host.h264Frame(encoder, [sliceOf(i === 0, 8, i)]);
    host.turn(core);
    expect(host.h264Frame(encoder, [sliceOf(false, 8, 11)])).toBe(0);
    host.h264Frame(encoder, [sliceOf(true, 8, 12)]);
    host.turn(core);
    const frames = core.seen.filter((event) => event.type === "frame");
    expect(frames).toHaveLength(9);
    expect(frames.at(-1)).toMatchObject({ key: true, dropped: 3 });
  });

  test("makes frames at an encoder's rate while time advances, and a key frame at once when asked", () => {
    const host = new FakeHost();
    const core = collector(host);
    const encoder = host.encoderOpen(
      JSON.stringify({ camera: "back", codec: "h264", width: 640, height: 480, fps: 25, rotation: 0, mirror: false }),
    );
    host.advance(core, 400_000);
    host.encoderRequestKeyFrame(encoder);
    host.advance(core, 40_000);
    const frames = core.seen.filter((event) => event.type === "frame");
    expect(frames.map((frame) => frame.key)).toEqual([true, ...new Array<boolean>(9).fill(false), true]);
    expect(frames[0]?.units.map((unit) => unit.head.length)).toEqual([SPS.length, 5, 2]);
  });

  test("finds the two units of a JPEG", () => {
    const { host } = setup("skip-to-key");
    const core = collector(host);
    const spec = { camera: "front", codec: "jpeg", width: 64, height: 48, fps: 25, rotation: 0, mirror: false };
    host.jpegFrame(host.encoderOpen(JSON.stringify(spec)), JPEG);
    host.turn(core);
    const frame = core.seen.find((event) => event.type === "frame");
    const [headers, scan] = frame?.units ?? [];
    expect(headers).toMatchObject({ offset: 0, length: headers?.head.length });
    expect((headers?.length ?? 0) + (scan?.length ?? 0) + 2).toBe(JPEG.length);
  });

  test("fails a verb as often as it is told to", () => {
    const { host, peer } = setup("skip-to-key");
    host.fail("tcpWrite", Code.FULL, 2);
    const results = [1, 2, 3].map((byte) => host.tcpWrite(peer.handle, Int8Array.of(byte)));
    expect(results).toEqual([Code.FULL, Code.FULL, 1]);
    expect(peer.take()).toEqual(Uint8Array.of(3));
  });
});
