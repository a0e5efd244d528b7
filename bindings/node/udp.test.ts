import * as dgram from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import type { HostEvent } from "../contract/events.ts";
import { Code } from "../contract/host.ts";
import { NodeHost } from "./host.ts";

const hosts: NodeHost[] = [];
const peers: dgram.Socket[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  for (const host of hosts.splice(0)) {
    await host.dispose();
    expect(host.openHandles).toBe(0);
  }
});

async function peerSocket(): Promise<dgram.Socket> {
  const peer = dgram.createSocket({ type: "udp4", lookup: (host, _, callback) => callback(null, host, 4) });
  peers.push(peer);
  peer.bind(0, "127.0.0.1");
  if (peer.address().port === 0) await once(peer, "listening");
  return peer;
}

/** A socket that is open when the call returns, as its `opened` event shows. */
function openSocket() {
  const host = new NodeHost();
  hosts.push(host);
  const handle = host.udpOpen(JSON.stringify({ address: "127.0.0.1", port: 0 }));
  const [opened] = JSON.parse(host.takeEvents()) as HostEvent[];
  expect(opened).toMatchObject({ type: "opened", handle });
  return { host, handle, port: (opened as { port: number }).port };
}

it("a socket that connects drops what strangers sent just before", async () => {
  const [stranger, peer] = [await peerSocket(), await peerSocket()];
  const { host, handle, port } = openSocket();
  // Node sends at once, so this lies in the kernel when the socket connects.
  stranger.send("stranger", port, "127.0.0.1");
  expect(host.udpConnect(handle, "127.0.0.1", peer.address().port)).toBe(Code.OK);
  peer.send("peer", port, "127.0.0.1");
  let events: HostEvent[] = [];
  await expect
    .poll(() => {
      events = events.concat(JSON.parse(host.takeEvents()));
      return events.length;
    })
    .toBe(1);
  expect(events).toMatchObject([{ type: "datagram", data: "peer" }]);
});

it("an outlet needs a connected socket, and a socket has one at a time", async () => {
  const peer = await peerSocket();
  const { host, handle } = openSocket();
  const spec = JSON.stringify({ udp: handle, maxBytes: 1000, maxAgeMs: 1000, overflow: "skip-to-key" });
  expect(host.outletOpen(spec)).toBe(Code.INVALID);
  host.udpConnect(handle, "127.0.0.1", peer.address().port);
  const outlet = host.outletOpen(spec);
  expect(outlet).toBeGreaterThan(0);
  expect(host.outletOpen(spec)).toBe(Code.INVALID);
  expect(host.outletClose(outlet)).toBe(Code.OK);
  expect(host.outletOpen(spec)).toBeGreaterThan(0);
});

it("a taken port closes the socket with the reason", async () => {
  const peer = await peerSocket();
  const host = new NodeHost();
  hosts.push(host);
  const handle = host.udpOpen(JSON.stringify({ address: "127.0.0.1", port: peer.address().port }));
  expect(JSON.parse(host.takeEvents())).toMatchObject([{ type: "closed", handle, reason: "in-use" }]);
  expect(host.udpClose(handle)).toBe(Code.GONE);
});

it("a datagram too large for UDP is dropped, and no address is wanted of a connected socket", async () => {
  const peer = await peerSocket();
  const { host, handle } = openSocket();
  expect(host.udpSend(handle, new Int8Array(65_508), "127.0.0.1", peer.address().port)).toBe(0);
  expect(host.udpSend(handle, new Int8Array(1), "", 0)).toBe(Code.INVALID);
  host.udpConnect(handle, "127.0.0.1", peer.address().port);
  expect(host.udpSend(handle, new Int8Array(1), "127.0.0.1", peer.address().port)).toBe(Code.INVALID);
  expect(host.udpSend(handle, new Int8Array(1), "", 0)).toBe(1);
});
