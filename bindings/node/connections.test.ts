import * as net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HostEvent } from "../contract/events.ts";
import { Code } from "../contract/host.ts";
import { NodeHost } from "./host.ts";

const hosts: NodeHost[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) {
    await host.dispose();
    expect(host.openHandles).toBe(0);
  }
});

/** A host with one accepted connection, and its peer. */
async function connectedPair(peerOptions: Partial<net.SocketConstructorOpts> = {}) {
  const host = new NodeHost();
  hosts.push(host);
  const listener = host.tcpListen(JSON.stringify({ address: "127.0.0.1", port: 0 }));
  const listening = await eventOf(host, "listening");
  const peer = new net.Socket(peerOptions);
  peer.on("error", () => {});
  peer.connect(listening.port, "127.0.0.1");
  const accepted = await eventOf(host, "accepted");
  expect(accepted.listener).toBe(listener);
  return { host, listener, peer, connection: accepted.handle };
}

/** The next event, which must be of that type. */
async function eventOf<T extends HostEvent["type"]>(host: NodeHost, type: T): Promise<HostEvent & { type: T }> {
  for (let i = 0; i < 400; i++) {
    const events: HostEvent[] = JSON.parse(host.takeEvents());
    if (events.length > 0) {
      expect(events.map((event) => event.type)).toEqual([type]);
      return events[0] as HostEvent & { type: T };
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`no ${type} event`);
}

const bytes = (text: string) => Int8Array.from(Buffer.from(text, "latin1"));

describe("a connection of the Node host", () => {
  it("receives text, byte 0 as U+0100, and tells the peer's FIN", async () => {
    const { host, peer, connection } = await connectedPair();
    peer.end(Buffer.from("a\0b\xff", "latin1"));
    expect(await eventOf(host, "received")).toEqual({ type: "received", handle: connection, data: "a\u0100b\xff" });
    expect(await eventOf(host, "ended")).toEqual({ type: "ended", handle: connection });
    expect(host.tcpWrite(connection, bytes("still"))).toBe(5);
  });

  it("tells a reset as the last event of the connection", async () => {
    const { host, peer, connection } = await connectedPair();
    peer.resetAndDestroy();
    expect(await eventOf(host, "closed")).toMatchObject({ handle: connection, reason: "reset" });
    expect(host.tcpWrite(connection, bytes("x"))).toBe(Code.GONE);
  });

  it("refuses a view of a larger buffer, which the phone's engine would send whole", async () => {
    const { host, connection } = await connectedPair();
    expect(host.tcpWrite(connection, new Int8Array(10).subarray(0, 5))).toBe(Code.INVALID);
  });

  it("flushes what it owes before it closes, to a late reader too and with unread bytes in the way", async () => {
    const { host, peer, connection } = await connectedPair();
    peer.write(Buffer.alloc(300_000));
    await eventOf(host, "received");
    host.tcpPause(connection);
    // More than the peer's kernel takes, less than both kernels do: our own still holds a part when the socket is closed.
    expect(host.tcpWrite(connection, new Int8Array(1_500_000))).toBe(1_500_000);
    expect(host.tcpClose(connection, true)).toBe(Code.OK);
    expect(host.tcpClose(connection, true)).toBe(Code.GONE);
    await new Promise((resolve) => setTimeout(resolve, 2300));
    let received = 0;
    for await (const piece of peer) received += (piece as Buffer).length;
    expect(received).toBe(1_500_000);
    expect(host.takeEvents()).toBe("[]");
  });
});
