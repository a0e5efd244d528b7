import { expect, it } from "vitest";
import { RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const UDP = "RTP/AVP;unicast;client_port=50000-50001";

/** A server whose pictures have some 40 packets each, and one viewer over UDP that has just begun. */
function playing(config: Record<string, unknown>): { readonly world: World; readonly viewer: RtspClient } {
  const world = startServer(config);
  world.host.sliceBytes = 60_000;
  const viewer = new RtspClient(world);
  viewer.play("/live/back", UDP);
  return { world, viewer };
}

const paceOf = ({ host }: World, index = 0): unknown => {
  const specs = host.called("outletOpen").map(({ args }) => JSON.parse(args[0] as string) as { paceUs?: number });
  return specs[index]?.paceUs;
};

/** RTP packets that left within so many milliseconds. */
function sentIn({ host, core }: World, ms: number): number {
  host.takeDatagrams(50_000);
  host.advance(core, ms * 1_000);
  return host.takeDatagrams(50_000).length;
}

it("large pictures go out at once over UDP, unless pacing is asked for", () => {
  const { world } = playing({});
  expect(paceOf(world)).toBeUndefined();
  expect(world.server.config.rtsp.udpPacing).toBe(0);
});

it("paced, a picture's packets are spread over that share of a frame's time, and all of them arrive", () => {
  const { world } = playing({ rtsp: { udpPacing: 50 } });
  expect(paceOf(world)).toBe(20_000);
  // To the next picture: its first burst leaves with it.
  world.host.advance(world.core, SECOND);
  world.host.takeDatagrams();
  let first = 0;
  while (first === 0) first = sentIn(world, 1);
  expect(first).toBe(8);
  const [early, late] = [sentIn(world, 9), sentIn(world, 12)];
  expect(early).toBeGreaterThan(0);
  expect(first + early).toBeLessThan(26);
  expect(first + early + late).toBeGreaterThan(32);
  expect(sentIn(world, 8)).toBe(0);
});

it("a viewer over TCP is not paced, and a picture a second or more apart is spread over a second at most", () => {
  const config = { rtsp: { udpPacing: 90 }, profiles: [{ path: "/slow", camera: "back", fps: 1 }] };
  const world = startServer(config);
  new RtspClient(world).play("/live/back");
  new RtspClient(world).play("/slow", UDP);
  expect(world.host.called("outletOpen")).toHaveLength(2);
  expect([paceOf(world, 0), paceOf(world, 1)]).toEqual([undefined, 900_000]);
});

it("the age of pictures on the wire is told by transport, pacing and skips included", () => {
  const { world } = playing({ rtsp: { udpPacing: 50 } });
  new RtspClient(world).play("/live/back");
  world.host.advance(world.core, 10 * SECOND);
  const value = (line: string): number =>
    Number(new RegExp(`^${line.replace(/[{}]/g, "\\$&")} (.*)$`, "m").exec(world.server.metrics())?.[1]);
  const count = (transport: string): number => value(`porthole_wire_age_seconds_count{transport="${transport}"}`);
  const mean = (transport: string): number =>
    value(`porthole_wire_age_seconds_sum{transport="${transport}"}`) / count(transport);
  expect(count("udp")).toBeGreaterThan(240);
  expect(count("tcp")).toBeGreaterThan(240);
  // The last burst of some 40 packets leaves a little before 20 ms.
  expect(mean("udp")).toBeGreaterThan(0.014);
  expect(mean("udp")).toBeLessThan(0.022);
  expect(mean("tcp")).toBeLessThan(0.001);
});
