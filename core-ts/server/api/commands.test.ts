import { describe, expect, test } from "vitest";
import type { FakeHost } from "../../../test/fakes/fake-host.ts";
import { nalTypeOf, type Response, RtspClient, startServer, type World } from "../testing.ts";
import { ask, askAndStay, errorOf } from "./testing.ts";

function command(world: World, name: string, body: unknown): Response {
  return ask(world, "POST", `/api/commands/${name}`, { body });
}

/** The command's answer; it must be 200. */
function changed(world: World, name: string, body: unknown): boolean {
  const response = command(world, name, body);
  expect([response.status, response.body]).toEqual([200, expect.stringMatching(/^{"changed":(true|false)}$/)]);
  return (JSON.parse(response.body) as { changed: boolean }).changed;
}

type Status = {
  readonly server: Record<string, unknown>;
  readonly cameras: readonly { readonly name: string; readonly state: string; readonly reason?: string }[];
  readonly encoders: readonly { readonly label: string; readonly state: string; readonly opened: number }[];
  readonly profiles: readonly (Record<string, unknown> & { readonly path: string })[];
  readonly clients: readonly (Record<string, unknown> & { readonly id: number })[];
};
const statusOf = (world: World): Status => JSON.parse(ask(world, "GET", "/api/status").body) as Status;
const cameraOf = (world: World, name: string) => statusOf(world).cameras.find((camera) => camera.name === name);
const profileOf = (world: World, path: string) => statusOf(world).profiles.find((profile) => profile.path === path);
const openEncoders = (host: FakeHost) => [...host.encoders.values()].map(({ spec }) => `${spec.camera} ${spec.codec}`);

/** A world in which somebody watches a stream over RTSP. */
function watched(path = "/live/back") {
  const world = startServer();
  const client = new RtspClient(world);
  client.play(path);
  client.watch(500_000);
  return { world, client };
}

describe("stop-camera and start-camera", () => {
  test("shut the encoder and open it again, and the viewer stays", () => {
    const { world, client } = watched();
    expect(changed(world, "stop-camera", { camera: "back" })).toBe(true);
    expect(openEncoders(world.host)).toEqual([]);
    expect(cameraOf(world, "back")).toMatchObject({ state: "disabled", reason: "stopped by command" });
    expect(cameraOf(world, "front")).toMatchObject({ state: "ok" });
    client.watch(5_000_000);
    const before = client.rtp().length;
    client.watch(60_000_000);
    expect([client.rtp().length, openEncoders(world.host)]).toEqual([before, []]);

    expect(changed(world, "start-camera", { camera: "back" })).toBe(true);
    client.watch(500_000);
    expect(openEncoders(world.host)).toEqual(["back h264"]);
    const after = client.rtp().slice(before);
    expect(after.length).toBeGreaterThan(5);
    expect(after[0]!.sequence).toBe((client.rtp()[before - 1]!.sequence + 1) & 0xffff);
  });

  test("twice is once", () => {
    const { world } = watched();
    expect(
      ["stop-camera", "stop-camera", "start-camera", "start-camera"].map((name) =>
        changed(world, name, { camera: "back" }),
      ),
    ).toEqual([true, false, true, false]);
    world.host.advance(world.core, 60_000_000);
    expect(openEncoders(world.host)).toEqual(["back h264"]);
  });

  test("a stopped camera answers 503 with the cure, and DESCRIBE too", () => {
    const world = startServer();
    changed(world, "stop-camera", { camera: "back" });
    const snapshot = ask(world, "GET", "/Back/snapshot.jpg");
    expect(snapshot.status).toBe(503);
    expect(JSON.parse(snapshot.body)).toMatchObject({
      error: { code: "camera-unavailable", camera: "back", state: "disabled", fix: "POST /api/commands/start-camera" },
    });
    const described = new RtspClient(world).request("DESCRIBE", "rtsp://127.0.0.1/live/back");
    expect([described.status, described.body]).toEqual([503, expect.stringContaining("stopped by command")]);
  });

  test("an encoder in its linger is shut as well", () => {
    const world = startServer();
    ask(world, "GET", "/Back/snapshot.jpg");
    expect(openEncoders(world.host)).toEqual(["back jpeg"]);
    changed(world, "stop-camera", { camera: "back" });
    expect(openEncoders(world.host)).toEqual([]);
  });

  test("start-camera does not overrule the configuration", () => {
    const world = startServer({ cameras: { back: { enabled: false }, front: {} } });
    const response = command(world, "start-camera", { camera: "back" });
    expect([response.status, errorOf(response).code]).toEqual([409, "camera-disabled"]);
  });

  test("are told to event readers", () => {
    const world = startServer();
    const { peer } = askAndStay(world, "GET", "/api/events");
    changed(world, "stop-camera", { camera: "back" });
    expect(peer.text()).toContain('"camera":"back","state":"disabled","reason":"stopped by command"');
  });
});

describe("start-mjpeg-server and stop-mjpeg-server", () => {
  test("end the streams over HTTP, refuse new ones, and leave all else alone", () => {
    const { world, client } = watched();
    const { peer, response } = askAndStay(world, "GET", "/back/");
    expect(response.status).toBe(200);
    expect(changed(world, "stop-mjpeg-server", {})).toBe(true);
    expect(changed(world, "stop-mjpeg-server", {})).toBe(false);
    expect(peer.state).not.toBe("open");
    expect(statusOf(world).server.mjpegServer).toBe("stopped");
    const refused = ask(world, "GET", "/back/");
    expect([refused.status, errorOf(refused).code]).toEqual([503, "mjpeg-stopped"]);
    world.host.advance(world.core, 20_000_000);
    ask(world, "GET", "/front/");
    expect(openEncoders(world.host), "what is refused opens no camera").toEqual(["back h264"]);
    expect(ask(world, "GET", "/back/snapshot.jpg").status).toBe(200);
    const before = client.rtp().length;
    client.watch(500_000);
    expect(client.rtp().length).toBeGreaterThan(before);

    expect(changed(world, "start-mjpeg-server", {})).toBe(true);
    expect(changed(world, "start-mjpeg-server", {})).toBe(false);
    expect(ask(world, "GET", "/back/").status).toBe(200);
  });

  test("a stream that still waits for its first picture does not slip through", () => {
    const world = startServer();
    world.host.encoding = false;
    const peer = world.host.connect(8089, { address: "127.0.0.1" });
    peer.send("GET /back/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    world.host.settle(world.core);
    changed(world, "stop-mjpeg-server", {});
    world.host.advance(world.core, 4_000_000);
    expect(peer.text()).toMatch(/^HTTP\/1\.1 503 /);
    world.host.advance(world.core, 20_000_000);
    expect(openEncoders(world.host)).toEqual([]);
  });
});

describe("switch-camera", () => {
  test("moves a watched profile: the numbers go on, and the first picture is a key frame", () => {
    const { world, client } = watched();
    const before = client.rtp();
    expect(changed(world, "switch-camera", { profile: "/live/BACK", camera: "front" })).toBe(true);
    expect(openEncoders(world.host)).toEqual(["front h264"]);
    client.watch(1_000_000);
    const all = client.rtp();
    const after = all.slice(before.length);
    expect(after.length).toBeGreaterThan(10);
    for (const [index, packet] of all.entries()) {
      if (index > 0) expect(packet.sequence).toBe((all[index - 1]!.sequence + 1) & 0xffff);
      expect(packet.ssrc).toBe(all[0]!.ssrc);
    }
    // Parameter sets (a STAP-A) and then an IDR slice open what the other camera sends.
    expect(after.slice(0, 2).map(({ payload }) => nalTypeOf(payload))).toEqual([24, 5]);
    const passed = ((after[0]!.timestamp - before.at(-1)!.timestamp) >>> 0) / 90_000;
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(1);
    expect(profileOf(world, "/live/back")).toMatchObject({ camera: "front", configuredCamera: "back", players: 1 });
    expect(profileOf(world, "/live/front")).toMatchObject({ camera: "front", players: 0 });
  });

  test("twice is once, and back again is back again", () => {
    const { world } = watched();
    const to = (camera: string) => changed(world, "switch-camera", { profile: "/live/back", camera });
    expect([to("front"), to("front"), to("back"), to("back")]).toEqual([true, false, true, false]);
    world.host.advance(world.core, 1_000_000);
    expect(openEncoders(world.host)).toEqual(["back h264"]);
  });

  test("moves a browser's stream without ending it", () => {
    const world = startServer();
    const { peer } = askAndStay(world, "GET", "/back/");
    changed(world, "switch-camera", { profile: "/live/back/mjpeg", camera: "front" });
    peer.text();
    world.host.advance(world.core, 500_000);
    expect(openEncoders(world.host)).toEqual(["front jpeg"]);
    expect(peer.text().split("--porthole-frame").length).toBeGreaterThan(5);
    expect(peer.state).toBe("open");
  });

  test("an idle profile opens the other camera with its next viewer", () => {
    const world = startServer();
    changed(world, "switch-camera", { profile: "/live/back", camera: "front" });
    expect(openEncoders(world.host)).toEqual([]);
    new RtspClient(world).play("/live/back");
    expect(openEncoders(world.host)).toEqual(["front h264"]);
  });

  test("is refused for a camera that can't be used now; the profile stays", () => {
    const { world } = watched();
    changed(world, "stop-camera", { camera: "front" });
    const response = command(world, "switch-camera", { profile: "/live/back", camera: "front" });
    expect([response.status, errorOf(response)]).toEqual([
      409,
      { code: "camera-unavailable", message: "disabled (stopped by command)", path: "camera" },
    ]);
    expect(openEncoders(world.host)).toEqual(["back h264"]);
  });

  test("is refused for a camera without an encoder for the codec", () => {
    const { world } = watched();
    world.host.cameraList = world.host.cameraList.map((camera) =>
      camera.name === "front" ? { ...camera, codecs: ["jpeg"] } : camera,
    );
    world.host.push({ type: "cameras" });
    world.host.settle(world.core);
    const response = command(world, "switch-camera", { profile: "/live/back", camera: "front" });
    expect([response.status, errorOf(response).code]).toEqual([409, "codec-unavailable"]);
  });
});

describe("set-bitrate and set-quality", () => {
  test("take effect at once, and hold when the encoder is opened again", () => {
    const { world, client } = watched();
    expect(changed(world, "set-bitrate", { profile: "/live/back", bitrate: 600_000 })).toBe(true);
    expect(changed(world, "set-bitrate", { profile: "/live/back", bitrate: 600_000 })).toBe(false);
    expect([...world.host.encoders.values()].map(({ bitrate }) => bitrate)).toEqual([600_000]);
    client.peer.drop();
    world.host.advance(world.core, 20_000_000);
    expect(openEncoders(world.host)).toEqual([]);
    new RtspClient(world).play("/live/back");
    expect([...world.host.encoders.values()].map(({ spec }) => spec.bitrate)).toEqual([600_000]);
    expect(profileOf(world, "/live/back")).toMatchObject({ targetBitrate: 600_000 });
  });

  test("quality is the same for JPEG", () => {
    const world = startServer();
    askAndStay(world, "GET", "/back/");
    expect(changed(world, "set-quality", { profile: "/live/back/mjpeg", quality: 33 })).toBe(true);
    expect(changed(world, "set-quality", { profile: "/live/back/mjpeg", quality: 33 })).toBe(false);
    expect([...world.host.encoders.values()].map(({ quality }) => quality)).toEqual([33]);
    expect(profileOf(world, "/live/back/mjpeg")).toMatchObject({ quality: 33 });
  });

  test("the wrong codec is refused", () => {
    const world = startServer();
    for (const [name, body] of [
      ["set-bitrate", { profile: "/live/back/mjpeg", bitrate: 600_000 }],
      ["set-quality", { profile: "/live/back", quality: 33 }],
    ] as const) {
      const response = command(world, name, body);
      expect([response.status, errorOf(response).code]).toEqual([409, "wrong-codec"]);
    }
  });

  test("what the host refuses has not changed", () => {
    const { world } = watched();
    world.host.fail("encoderSetBitrate", -6);
    const response = command(world, "set-bitrate", { profile: "/live/back", bitrate: 600_000 });
    expect([response.status, errorOf(response).code]).toEqual([409, "refused"]);
    expect(profileOf(world, "/live/back")).toMatchObject({ targetBitrate: 2_000_000 });
  });
});

test("request-key-frame asks the encoder, if there is one, and a hundred asks are few", () => {
  const idle = startServer();
  expect(changed(idle, "request-key-frame", { profile: "/live/back" })).toBe(false);
  const { world } = watched();
  const encoder = [...world.host.encoders.values()][0]!;
  const before = encoder.keyRequests;
  for (let i = 0; i < 100; i++) expect(changed(world, "request-key-frame", { profile: "/live/back" })).toBe(true);
  expect(encoder.keyRequests).toBeGreaterThan(before);
  expect(encoder.keyRequests).toBeLessThanOrEqual(before + 2);
});

describe("set-torch and set-zoom", () => {
  function withLamp(): World {
    const world = startServer();
    world.host.cameraList = world.host.cameraList.map((camera) => ({
      ...camera,
      torch: true,
      zoom: { min: 1, max: 4 },
    }));
    world.host.push({ type: "cameras" });
    world.host.settle(world.core);
    return world;
  }

  test("are handed to the camera", () => {
    const world = withLamp();
    changed(world, "set-torch", { camera: "back", on: true });
    changed(world, "set-zoom", { camera: "back", zoom: 2.5 });
    expect(world.host.called("cameraSet").map(({ args }) => args)).toEqual([
      ["back", '{"torch":true}'],
      ["back", '{"zoom":2.5}'],
    ]);
  });

  test("beyond the camera's zoom is 422 with the range", () => {
    const response = command(withLamp(), "set-zoom", { camera: "back", zoom: 5 });
    expect([response.status, errorOf(response)]).toEqual([
      422,
      { code: "out-of-range", message: "must be a number from 1 to 4", path: "zoom" },
    ]);
  });

  test("a host that can't is said to", () => {
    const world = withLamp();
    world.host.fail("cameraSet", -3);
    const response = command(world, "set-torch", { camera: "back", on: true });
    expect([response.status, errorOf(response).code]).toEqual([409, "unsupported"]);
  });
});

describe("restart", () => {
  test("is answered first, then everybody is told goodbye, and the host is asked once", () => {
    const { world, client } = watched();
    const peers = [0, 1].map(() => world.host.connect(8089, { address: "127.0.0.1" }));
    for (const peer of peers) {
      peer.send(
        "POST /api/commands/restart HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".replace(
          "\r\n\r\n",
          "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        ),
      );
    }
    world.host.settle(world.core);
    for (const peer of peers) expect(peer.text()).toMatch(/^HTTP\/1\.1 202 /);
    expect(world.host.exited).toMatchObject({ code: 3 });
    expect(world.host.logs.filter(({ line }) => line.startsWith("stopping"))).toHaveLength(1);
    expect(client.peer.state).not.toBe("open");
  });
});

describe("unknown names", () => {
  test.each([
    ["start-camera", { camera: "side" }, "no-such-camera"],
    ["stop-camera", { camera: "side" }, "no-such-camera"],
    ["set-torch", { camera: "side", on: true }, "no-such-camera"],
    ["set-zoom", { camera: "side", zoom: 1 }, "no-such-camera"],
    ["switch-camera", { profile: "/live/back", camera: "side" }, "no-such-camera"],
    ["switch-camera", { profile: "/live/side", camera: "front" }, "no-such-profile"],
    ["request-key-frame", { profile: "/live/side" }, "no-such-profile"],
    ["set-bitrate", { profile: "/live/side", bitrate: 500_000 }, "no-such-profile"],
    ["set-quality", { profile: "__proto__", quality: 50 }, "no-such-profile"],
  ])("%s %j", (name, body, code) => {
    const response = command(startServer(), name, body);
    expect([response.status, errorOf(response).code]).toEqual([404, code]);
  });
});

describe("two callers at once", () => {
  test("make one encoder, one server, and the same answer in any order", () => {
    const { world } = watched();
    const peers = Array.from({ length: 6 }, () => world.host.connect(8089, { address: "127.0.0.1" }));
    const send = (name: string, body: unknown, peer: (typeof peers)[number]): void => {
      const text = JSON.stringify(body);
      peer.send(
        `POST /api/commands/${name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${text.length}\r\n\r\n${text}`,
      );
    };
    // All in one turn.
    for (const [index, peer] of peers.entries()) {
      if (index % 3 === 0) send("switch-camera", { profile: "/live/back", camera: "front" }, peer);
      else if (index % 3 === 1) send("stop-camera", { camera: "front" }, peer);
      else send("start-camera", { camera: "front" }, peer);
    }
    world.host.settle(world.core);
    world.host.advance(world.core, 40_000_000);
    expect(peers.map((peer) => /"changed":(true|false)/.exec(peer.text())?.[1])).toEqual([
      "true",
      "true",
      "true",
      "false",
      "true",
      "true",
    ]);
    expect(openEncoders(world.host)).toEqual(["front h264"]);
  });
});

describe("clients", () => {
  test("are listed with what is known of them", () => {
    const { world } = watched();
    const [client] = statusOf(world).clients;
    expect(client).toMatchObject({
      protocol: "rtsp",
      path: "/live/back",
      address: "127.0.0.1",
      transport: "tcp",
      state: "playing",
    });
    expect(client!.since).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const serverSince = Date.parse(statusOf(world).server.since as string);
    expect(Date.parse(client!.since as string)).toBeGreaterThanOrEqual(serverSince);
  });

  test("are ended by their id, over RTSP and HTTP; a second time there is none", () => {
    const { world, client } = watched();
    const { peer } = askAndStay(world, "GET", "/back/");
    const ids = statusOf(world).clients.map(({ id }) => id);
    expect(ids).toHaveLength(2);
    const { peer: events } = askAndStay(world, "GET", "/api/events");
    for (const id of ids) expect(ask(world, "DELETE", `/api/clients/${id}`).status).toBe(204);
    expect([peer.state, client.peer.state]).toEqual(["flushed", "flushed"]);
    expect(statusOf(world).clients).toEqual([]);
    expect(events.text().match(/"reason":"ended by command"/g)).toHaveLength(2);
    for (const id of ids) expect(ask(world, "DELETE", `/api/clients/${id}`).status).toBe(404);
  });

  test("a client over UDP is told with an RTCP BYE", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back", "RTP/AVP;unicast;client_port=5000-5001");
    client.watch(500_000);
    const [{ id }] = statusOf(world).clients as [{ id: number }];
    const before = world.host.datagrams.length;
    expect(ask(world, "DELETE", `/api/clients/${id}`).status).toBe(204);
    const goodbye = world.host.datagrams.slice(before).some(({ bytes }) => bytes[1] === 200 && bytes.includes(203));
    expect(goodbye).toBe(true);
  });
});
