import { describe, expect, it } from "vitest";
import type { HostEvent } from "../contract/events.ts";
import { EVENTS_MAX_BYTES, EVENTS_MAX_BYTES_PER_CONNECTION } from "../contract/host.ts";
import { EventQueue, type Receiver } from "./loop.ts";

/** A connection with so many unread bytes. */
class FakeReceiver implements Receiver {
  readonly handle: number;
  #bytes: number;

  constructor(handle: number, bytes: number) {
    this.handle = handle;
    this.#bytes = bytes;
  }

  pull(maxBytes: number): string {
    const count = Math.min(maxBytes, this.#bytes);
    this.#bytes -= count;
    return "x".repeat(count);
  }

  unread(): boolean {
    return this.#bytes > 0;
  }
}

const ended = (handle: number): HostEvent => ({ type: "ended", handle });
const shape = (events: HostEvent[]) =>
  events.map((event) => {
    const handle = "handle" in event ? event.handle : 0;
    return "data" in event ? `${handle}:${event.data.length}` : `${handle}:${event.type}`;
  });

describe("the event queue", () => {
  it("gives at most 32 KiB of one connection, and keeps what follows behind the rest", () => {
    const queue = new EventQueue();
    queue.pushReceiver(new FakeReceiver(7, 40_000));
    queue.push(7, ended(7));
    queue.push(8, ended(8));
    expect(shape(queue.take())).toEqual([`7:${EVENTS_MAX_BYTES_PER_CONNECTION}`, "8:ended"]);
    expect(queue.isEmpty).toBe(false);
    expect(shape(queue.take())).toEqual([`7:${40_000 - EVENTS_MAX_BYTES_PER_CONNECTION}`, "7:ended"]);
    expect(queue.isEmpty).toBe(true);
  });

  it("gives at most 256 KiB of all connections and sockets, and the rest in the next turns", () => {
    const queue = new EventQueue();
    for (let handle = 1; handle <= 12; handle++) queue.pushReceiver(new FakeReceiver(handle, 30_000));
    const datagram: HostEvent = {
      type: "datagram",
      handle: 20,
      from: { address: "127.0.0.1", port: 9 },
      data: "y".repeat(60_000),
    };
    let taken = 0;
    queue.pushDatagram(20, datagram, 60_000, () => taken++);
    const total = (events: HostEvent[]) =>
      events.reduce((sum, event) => sum + ("data" in event ? event.data.length : 0), 0);
    const first = queue.take();
    expect(total(first)).toBe(EVENTS_MAX_BYTES);
    expect(taken).toBe(0);
    const rest = queue.take();
    expect(total(first) + total(rest)).toBe(12 * 30_000 + 60_000);
    expect(taken).toBe(1);
  });

  it("throws away what waits of a handle, and nothing else", () => {
    const queue = new EventQueue();
    queue.push(1, ended(1));
    queue.push(2, ended(2));
    queue.push(1, { type: "writable", handle: 1 });
    queue.drop(1);
    expect(shape(queue.take())).toEqual(["2:ended"]);
  });

  it("wakes its driver when it stops being empty, and not for every event", () => {
    const queue = new EventQueue();
    let wakes = 0;
    queue.onWake = () => wakes++;
    queue.push(1, ended(1));
    queue.push(2, ended(2));
    expect(wakes).toBe(1);
    queue.take();
    queue.push(3, ended(3));
    expect(wakes).toBe(2);
  });

  it("makes late events when they are taken", () => {
    const queue = new EventQueue();
    let frames = 1;
    queue.pushLate(1, () => ({ type: "skipped", handle: 1, fanout: 2, first: 0, last: 0, frames, bytes: 0 }));
    frames = 5;
    expect(queue.take()).toMatchObject([{ frames: 5 }]);
  });
});
