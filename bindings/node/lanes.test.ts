import { describe, expect, it } from "vitest";
import { nowUs } from "./clock.ts";
import { type ByteSink, CHUNK_BYTES, Lanes } from "./lanes.ts";
import { EventQueue } from "./loop.ts";
import { Membership, Outlet } from "./outlets.ts";

/** A system that takes chunks only when told to. */
class FakeSink implements ByteSink {
  readonly chunks: string[] = [];
  #done: (() => void) | undefined;
  #untaken = 0;

  write(chunk: Buffer, done: () => void): boolean {
    expect(this.#done).toBeUndefined();
    expect(chunk.length).toBeLessThanOrEqual(CHUNK_BYTES);
    this.chunks.push(chunk.toString("latin1"));
    this.#done = done;
    this.#untaken = chunk.length;
    return false;
  }

  untakenBytes(): number {
    return this.#untaken;
  }

  /** Takes part of the chunk. */
  takePart(bytes: number): void {
    this.#untaken -= bytes;
  }

  /** Takes the rest of it. */
  take(): void {
    const done = this.#done;
    this.#done = undefined;
    this.#untaken = 0;
    done?.();
  }
}

const LIMIT = 256 * 1024;

function setUp(options: { maxBytes?: number } = {}) {
  const sink = new FakeSink();
  const events = new EventQueue();
  let writable = 0;
  const lanes = new Lanes(sink, LIMIT, () => writable++);
  const spec = {
    connection: 1,
    maxBytes: options.maxBytes ?? 1_000_000,
    maxAgeMs: 60_000,
    overflow: "skip-to-key" as const,
  };
  const outlet = new Outlet(2, spec, lanes, events, () => {});
  lanes.outlet = outlet;
  const membership = new Membership(3, outlet);
  const send = (packets: readonly string[], key = true) => {
    const bytes = Buffer.from(packets.join(""));
    let end = 0;
    const packetEnds = packets.map((packet) => {
      end += packet.length;
      return end;
    });
    const gathered = { bytes, packetEnds };
    const unit = { frame: 0, timeUs: nowUs(), key, bytes: bytes.length, gather: () => gathered };
    const taken = outlet.offer(membership, unit);
    lanes.pump();
    return taken;
  };
  return { sink, lanes, outlet, send, writable: () => writable };
}

describe("the two lanes", () => {
  it("send control between packets, ahead of media that has not begun", () => {
    const { sink, lanes, send } = setUp();
    send(["aaa", "bbb"]);
    send(["ccc"]);
    lanes.write(Buffer.from("CTRL"));
    sink.take();
    sink.take();
    sink.take();
    expect(sink.chunks).toEqual(["aaabbb", "CTRL", "ccc"]);
  });

  it("finish a packet that is larger than a chunk before control goes", () => {
    const { sink, lanes, send } = setUp();
    send(["x".repeat(CHUNK_BYTES + 5), "yy"]);
    lanes.write(Buffer.from("CTRL"));
    for (let i = 0; i < 4; i++) sink.take();
    expect(sink.chunks.map((chunk) => chunk.slice(-4))).toEqual(["xxxx", "xxyy", "CTRL"]);
  });

  it("cut chunks at packet boundaries where they can", () => {
    const { sink, send } = setUp();
    send(["a".repeat(40_000), "b".repeat(20_000), "c".repeat(20_000)]);
    sink.take();
    sink.take();
    expect(sink.chunks.map((chunk) => chunk.length)).toEqual([60_000, 20_000]);
  });

  it("refuse control past the limit, and tell once when half of it is free", () => {
    const { sink, lanes, writable } = setUp();
    for (let i = 0; i < 8; i++) expect(lanes.write(Buffer.alloc(32 * 1024))).toBe(true);
    expect(lanes.write(Buffer.alloc(1))).toBe(false);
    expect(lanes.write(Buffer.alloc(1))).toBe(false);
    // The first chunk went when the lane held one write: 32 KiB. The next ones hold two.
    sink.take();
    sink.take();
    expect(writable()).toBe(0);
    sink.take();
    expect(writable()).toBe(1);
    for (let i = 0; i < 4; i++) sink.take();
    expect(writable()).toBe(1);
  });

  it("count media as queued until the system has taken it, and as progress when it takes a part", async () => {
    const { sink, outlet, send } = setUp();
    send(["x".repeat(1000)]);
    expect(outlet.stats()).toMatchObject({ queuedBytes: 1000, sentBytes: 0, sentUnits: 0 });
    const before = outlet.stats().progressUs;
    await new Promise((resolve) => setTimeout(resolve, 2));
    sink.takePart(400);
    expect(outlet.stats()).toMatchObject({ queuedBytes: 600, sentBytes: 400, sentUnits: 0 });
    expect(outlet.stats().progressUs).toBeGreaterThan(before);
    sink.take();
    expect(outlet.stats()).toMatchObject({ queuedBytes: 0, sentBytes: 1000, sentUnits: 1, ageUs: 0 });
  });

  it("are idle only when the rest of a closed outlet's packet has left", () => {
    const { sink, lanes, outlet, send } = setUp();
    send(["x".repeat(2 * CHUNK_BYTES), "never sent"]);
    outlet.close();
    let idle = 0;
    lanes.onIdle = () => idle++;
    lanes.write(Buffer.from("BYE"));
    expect(lanes.isIdle).toBe(false);
    for (let i = 0; i < 3; i++) sink.take();
    expect(sink.chunks.map((chunk) => chunk.slice(-3))).toEqual(["xxx", "xxx", "BYE"]);
    expect(idle).toBe(1);
    expect(lanes.isIdle).toBe(true);
  });

  it("take a key unit at once after an overflow that left room, and none that has no room", () => {
    const { send } = setUp({ maxBytes: 1000 });
    expect(send(["k".repeat(600)])).toBe(true);
    expect(send(["d".repeat(300)], false)).toBe(true);
    expect(send(["d".repeat(300)], false)).toBe(false);
    expect(send(["k".repeat(500)])).toBe(false);
    expect(send(["d"], false)).toBe(false);
    expect(send(["k".repeat(400)])).toBe(true);
    expect(send(["k".repeat(400)])).toBe(true);
  });
});
