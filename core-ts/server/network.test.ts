import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import type { ServerEvent } from "./server-events.ts";
import { HttpClient, RTSP_PORT, RtspClient, startServer } from "./testing.ts";

const SECOND = 1_000_000;
const ADDRESS = "192.0.2.10";

/** A server whose machine has an address that comes and goes. */
function bench(config: Record<string, unknown> = {}) {
  const host = new FakeHost();
  const world = startServer(config, host);
  const all = host.interfaceList;
  const events: ServerEvent[] = [];
  const kinds = /^(network|listener|client)\./;
  world.server.runtime.events.subscribe((event) => kinds.test(event.type) && events.push(event));
  const told = () => events.splice(0).map(({ type, data }) => [type, data] as const);
  const has = (has: boolean): void => {
    host.interfaceList = has ? all : all.filter(({ address }) => address !== ADDRESS);
    host.push({ type: "network" });
    host.settle(world.core);
  };
  return { host, world, told, has };
}

const rtspListeners = (host: FakeHost): number =>
  host.called("tcpListen").filter(({ args }) => JSON.parse(args[0] as string).port === RTSP_PORT).length;

describe("an address that is lost", () => {
  it("is told, and told when it is back", () => {
    const { has, told } = bench();
    has(false);
    has(false);
    has(true);
    expect(told()).toEqual([
      ["network.changed", { added: [], removed: [ADDRESS] }],
      ["network.changed", { added: [ADDRESS], removed: [] }],
    ]);
  });

  it("leaves a listener on every address as it is", () => {
    const { host, has, told } = bench();
    has(false);
    has(true);
    expect(host.called("listenerClose")).toEqual([]);
    expect(told().map(([type]) => type)).toEqual(["network.changed", "network.changed"]);
  });

  it("closes the listeners on it, which come back with it at once", () => {
    const { host, world, has, told } = bench({ address: ADDRESS });
    const states = () => world.server.listeners.map(({ state }) => state);
    expect(states()).toEqual(["listening", "listening"]);
    host.fail("tcpListen", -6, 100);
    has(false);
    expect(states()).toEqual(["lost", "lost"]);
    expect(told().slice(1)).toMatchObject([
      ["listener.lost", { protocol: "rtsp", address: ADDRESS, port: RTSP_PORT, retrySeconds: 1 }],
      ["listener.lost", { protocol: "http", reason: expect.stringContaining("this machine has no such address") }],
    ]);
    host.advance(world.core, 100 * SECOND);
    expect(states()).toEqual(["lost", "lost"]);
    // 1, 2, 4, 8, 16, 30, 30 s
    expect(rtspListeners(host)).toBe(1 + 7);
    host.heal("tcpListen");
    told();
    has(true);
    expect(states()).toEqual(["listening", "listening"]);
    expect(told().map(([type]) => type)).toEqual(["network.changed", "listener.up", "listener.up"]);
    expect(new RtspClient(world).request("OPTIONS", "*").status).toBe(200);
  });

  it("ends what was reached on it, over TCP and UDP, and nobody else", () => {
    const { host, world, has, told } = bench();
    host.reachedAt = ADDRESS;
    const [tcp, udp, http] = [new RtspClient(world), new RtspClient(world), new HttpClient(world)];
    host.reachedAt = undefined;
    const other = new RtspClient(world);
    tcp.play("/live/back");
    udp.play("/live/back", "RTP/AVP;unicast;client_port=50000-50001");
    http.send("GET", "/back");
    other.play("/live/back");
    other.watch(SECOND);
    // Its session lives on without its connection, until the address goes.
    udp.peer.drop();
    host.settle(world.core);
    expect(world.server.viewers.count).toBe(4);
    told();
    const seen = other.rtp().length;
    has(false);
    expect([tcp.peer.state, http.peer.state, other.peer.state]).toEqual(["reset", "reset", "open"]);
    expect(world.server.viewers.count).toBe(1);
    const left = told().filter(([type]) => type === "client.left");
    expect(left.map(([, data]) => (data as { reason: string }).reason)).toEqual(
      Array(3).fill("the address it used is gone"),
    );
    other.watch(SECOND);
    expect(other.rtp().length).toBeGreaterThan(seen);
  });

  it("that another interface keeps is not lost", () => {
    const { host, has, told } = bench({ address: ADDRESS });
    host.interfaceList = [...host.interfaceList, { ...host.interfaceList[1]!, name: "eth1" }];
    has(true);
    host.interfaceList = host.interfaceList.filter(({ name }) => name !== "eth0");
    host.push({ type: "network" });
    expect(told()).toEqual([]);
    expect(host.called("listenerClose")).toEqual([]);
  });
});
