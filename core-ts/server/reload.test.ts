import { describe, expect, it, vi } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { HTTP_PORT, HttpClient, RTSP_PORT, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";
const OPEN = { auth: { enabled: false } };

/** A server that has its whole configuration from the file. */
function startFrom(config: Record<string, unknown>): World {
  const host = new FakeHost();
  host.stored.config = { state: "present", text: JSON.stringify(config) };
  return startServer({ auth: undefined }, host);
}

function write(world: World, config: unknown): void {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  world.host.stored.config = { state: "present", text };
  world.host.push({ type: "config" });
  world.host.settle(world.core);
}

const logsOf = (world: World, level: string): string[] =>
  world.host.logs.filter((each) => each.level === level).map(({ line }) => line);

function expectContinuous(packets: readonly { readonly sequence: number }[], least: number): void {
  expect(packets.length).toBeGreaterThanOrEqual(least);
  for (let i = 1; i < packets.length; i++) {
    expect(packets[i]!.sequence).toBe((packets[i - 1]!.sequence + 1) % 65_536);
  }
}

/** Whether a compound of RTCP has a BYE (RFC 3550 section 6.6). */
function hasGoodbye(compound: Uint8Array): boolean {
  for (let at = 0; at + 4 <= compound.length; at += 4 * (1 + compound[at + 2]! * 256 + compound[at + 3]!)) {
    if (compound[at + 1] === 203) return true;
  }
  return false;
}

const basic = (name: string, password: string): Record<string, string> => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`,
});

/** A client that logs in with every request and plays. */
function playAs(world: World, name: string, password: string, transport = TCP): RtspClient {
  const client = new RtspClient(world);
  const url = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
  client.expect(200, client.request("SETUP", `${url}/trackID=0`, { Transport: transport, ...basic(name, password) }));
  client.expect(200, client.request("PLAY", url, basic(name, password)));
  return client;
}

describe("a changed configuration", () => {
  it("costs the viewers of unchanged profiles no packet, while those of a changed one are told goodbye", () => {
    const world = startFrom(OPEN);
    const kept = new RtspClient(world);
    kept.play("/live/back");
    const keptUdp = new RtspClient(world, "10.0.0.1");
    keptUdp.play("/live/back", "RTP/AVP;unicast;client_port=5000-5001");
    const keptHttp = new HttpClient(world);
    keptHttp.get("/back/");
    keptHttp.firstBoundary();
    const changed = new RtspClient(world);
    changed.play("/live/front");
    const changedUdp = new RtspClient(world, "10.0.0.2");
    changedUdp.play("/live/front", "RTP/AVP;unicast;client_port=6000-6001");
    kept.watch(SECOND);
    const encoders = world.host.encodersOf("back").map(({ handle }) => handle);
    write(world, { ...OPEN, profiles: [{ path: "/live/front", camera: "front", bitrate: 500_000 }] });

    changed.rtp();
    expect(hasGoodbye(changed.packets.filter(({ channel }) => channel === 1).at(-1)!.packet)).toBe(true);
    expect(changed.peer.state).toBe("flushed");
    expect(world.host.takeDatagrams(6001).some(({ bytes }) => hasGoodbye(bytes))).toBe(true);
    expect(world.server.sessions.size).toBe(2);
    expect(world.host.encodersOf("front")).toHaveLength(0);

    world.host.takeDatagrams(6000);
    kept.watch(SECOND);
    expect(world.host.encodersOf("back").map(({ handle }) => handle)).toEqual(encoders);
    expectContinuous(kept.rtp(), 150);
    const view = (bytes: Uint8Array) => ({ sequence: bytes[2]! * 256 + bytes[3]! });
    expectContinuous(
      world.host.takeDatagrams(5000).map(({ bytes }) => view(bytes)),
      150,
    );
    expect(keptHttp.parts().length).toBeGreaterThanOrEqual(48);
    expect(world.host.takeDatagrams(6000)).toHaveLength(0);

    const again = new RtspClient(world);
    again.play("/live/front");
    expect(world.host.encodersOf("front")[0]!.spec.bitrate).toBe(500_000);
  });

  it("ends the stream of a profile that is gone, and its path is a 404", () => {
    const world = startFrom({ ...OPEN, profiles: [{ path: "/door", camera: "back", codec: "mjpeg", width: 640 }] });
    const rtsp = new RtspClient(world);
    rtsp.play("/door");
    const http = new HttpClient(world);
    http.get("/door");
    write(world, OPEN);
    expect(rtsp.peer.state).toBe("flushed");
    expect(http.peer.state).toBe("flushed");
    expect(world.server.viewers.count).toBe(0);
    expect(new RtspClient(world).request("DESCRIBE", "rtsp://h/door").status).toBe(404);
    expect(new HttpClient(world).get("/door").status).toBe(404);
    world.host.advance(world.core, 11 * SECOND);
    expect(world.host.openHandles).toMatchObject({ encoders: 0, outlets: 0, fanouts: 0 });
  });

  it("answers who waits for a stream that has just gone, and sets up no session on it", () => {
    const world = startFrom(OPEN);
    world.host.encoding = false;
    const describing = new RtspClient(world);
    describing.send("DESCRIBE", "rtsp://h/live/front");
    const picture = new HttpClient(world);
    picture.send("GET", "/front/snapshot.jpg");
    const changed = [
      { path: "/live/front", camera: "front", fps: 5 },
      { path: "/live/front/mjpeg", camera: "front", codec: "mjpeg", fps: 5 },
    ];
    write(world, { ...OPEN, profiles: changed });
    expect(describing.reply(0).status).toBe(503);
    expect(picture.reply(0).status).toBe(503);
    // The ports of this one open in the turn after the change.
    const setup = new RtspClient(world);
    world.host.stored.config = { state: "present", text: JSON.stringify(OPEN) };
    setup.peer.send(
      "SETUP rtsp://h/live/front/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n",
    );
    world.host.push({ type: "config" });
    world.host.settle(world.core);
    expect(setup.reply(0).status).toBe(404);
    expect(world.server.sessions.size).toBe(0);
    expect(world.host.openHandles).toMatchObject({ sockets: 0, encoders: 0 });
  });

  it("that is bad changes nothing, and the log names every key and no value", () => {
    const world = startFrom(OPEN);
    const client = new RtspClient(world);
    client.play("/live/back");
    const before = world.server.config;
    const status = () =>
      JSON.stringify(JSON.parse(world.server.status()).profiles.map((each: { path: string }) => each.path));
    const profiles = status();
    const bad = {
      rtsp: { port: 99_999 },
      cameras: { back: { rotation: 45 } },
      users: [{ name: "me", password: "hunter2", pasword: "hunter3" }],
    };
    write(world, bad);
    const errors = logsOf(world, "error").join("\n");
    expect(errors).toContain("config rtsp.port: must be a whole number");
    expect(errors).toContain("config cameras.back.rotation: must be");
    expect(errors).toContain("config users[0].pasword");
    expect(errors).not.toMatch(/hunter|99.?999|45/);
    write(world, '{"rtsp": {"port": 7778,}}');
    expect(logsOf(world, "error").at(-2)).toMatch(/config 1:\d+: not JSON/);
    world.host.stored.config = { state: "failed", reason: "no permission" };
    world.host.push({ type: "config" });
    world.host.settle(world.core);
    expect(logsOf(world, "error").join("\n")).toContain("no permission");
    expect(world.server.config).toBe(before);
    expect(status()).toBe(profiles);
    client.watch(SECOND);
    expectContinuous(client.rtp(), 70);
    const refused = world.server.runtime.events.since(0).filter(({ type }) => type === "config.refused");
    expect(refused).toHaveLength(3);
    // The next good one is taken.
    write(world, { ...OPEN, log: { level: "debug" } });
    expect(world.server.config.log.level).toBe("debug");
  });

  it("sets the log's level at once", () => {
    const world = startFrom({ ...OPEN, log: { level: "error" } });
    expect(world.host.logs).toHaveLength(0);
    write(world, { ...OPEN, log: { level: "debug" } });
    new RtspClient(world);
    expect(logsOf(world, "debug").length).toBeGreaterThan(0);
  });
});

describe("a changed port", () => {
  it("is opened and the old one closed, and those who play go on", () => {
    const world = startFrom(OPEN);
    const client = new RtspClient(world);
    client.play("/live/back");
    write(world, { ...OPEN, rtsp: { port: 8554 } });
    expect(() => world.host.connect(RTSP_PORT)).toThrow();
    world.host.connect(8554);
    world.host.settle(world.core);
    expect(world.server.admission.connections).toBe(2);
    expect(world.server.rtspPort).toBe(8554);
    client.watch(SECOND);
    expectContinuous(client.rtp(), 70);
  });

  it("that is taken by another program ends nothing: it is logged, and tried until it is free", () => {
    const world = startFrom(OPEN);
    const client = new RtspClient(world);
    client.play("/live/back");
    const other = world.host.tcpListen(JSON.stringify({ address: "0.0.0.0", port: 9_000 }));
    write(world, { ...OPEN, http: { port: 9_000 } });
    expect(world.host.exited).toBeUndefined();
    expect(logsOf(world, "error").join()).toContain("HTTP can't listen on 0.0.0.0:9000: the port is in use");
    client.watch(6 * SECOND);
    expectContinuous(client.rtp(), 400);
    world.host.listenerClose(other);
    client.watch(5 * SECOND);
    expect(new HttpClient(world, "127.0.0.1", 9_000).get("/api/status").status).toBe(200);
  });

  it("leaves no connection that came in the moment of the change", () => {
    const world = startFrom(OPEN);
    world.host.stored.config = { state: "present", text: JSON.stringify({ ...OPEN, http: { port: 9_001 } }) };
    world.host.push({ type: "config" });
    const peer = world.host.connect(HTTP_PORT);
    world.host.settle(world.core);
    expect(peer.state).toBe("reset");
    expect(world.host.openHandles.connections).toBe(0);
  });
});

describe("changed users", () => {
  const me = { name: "me", password: "secret-of-me" };
  const you = { name: "you", password: "secret-of-you" };
  const watch = (world: World, user: typeof me) => {
    const http = new HttpClient(world);
    expect(http.get("/back/", basic(user.name, user.password)).status).toBe(200);
    return { rtsp: playAs(world, user.name, user.password), http };
  };

  it("end what those watch who were removed, and nobody else", () => {
    const world = startFrom({ users: [me, you] });
    const [mine, yours] = [watch(world, me), watch(world, you)];
    playAs(world, you.name, you.password, "RTP/AVP;unicast;client_port=5000-5001");
    expect(world.server.viewers.count).toBe(5);
    write(world, { users: [me] });
    expect(yours.rtsp.peer.state).not.toBe("open");
    expect(yours.http.peer.state).not.toBe("open");
    expect(world.server.viewers.count).toBe(2);
    expect(new HttpClient(world).get("/", basic(you.name, you.password)).status).toBe(401);
    mine.rtsp.watch(SECOND);
    expectContinuous(mine.rtsp.rtp(), 70);
    expect(mine.http.peer.state).toBe("open");
  });

  it("end what was begun with a password that is changed, and not what was begun with one that only moved", () => {
    const world = startFrom({ users: [me, you] });
    const [mine, yours] = [watch(world, me), watch(world, you)];
    write(world, { users: [{ ...you, password: "another one" }, me], limits: { clients: 90 } });
    expect(yours.rtsp.peer.state).not.toBe("open");
    expect(yours.http.peer.state).not.toBe("open");
    expect(mine.rtsp.peer.state).toBe("open");
    expect(mine.http.peer.state).toBe("open");
    playAs(world, "you", "another one");
  });

  it("may log in at once when they are added, also where there was only the generated login", () => {
    const world = startFrom({});
    const generated = world.host.login!;
    watch(world, generated);
    write(world, { users: [me] });
    expect(world.server.viewers.count).toBe(0);
    expect(new HttpClient(world).get("/", basic(generated.name, generated.password)).status).toBe(401);
    watch(world, me);
    // The generated one is still kept, and good again when there is no other.
    write(world, {});
    expect(new HttpClient(world).get("/", basic(generated.name, generated.password)).status).toBe(200);
  });

  it("are asked for from the moment logins are switched on, and by nobody when they are switched off", () => {
    const world = startFrom({ ...OPEN, users: [me] });
    const anonymous = new RtspClient(world);
    anonymous.play("/live/back");
    const stream = new HttpClient(world);
    stream.get("/back/");
    write(world, { users: [me] });
    expect(anonymous.peer.state).not.toBe("open");
    expect(stream.peer.state).not.toBe("open");
    expect(new RtspClient(world).request("DESCRIBE", "rtsp://h/live/back").status).toBe(401);
    const mine = watch(world, me);
    write(world, { ...OPEN, users: [me] });
    expect(new RtspClient(world).request("DESCRIBE", "rtsp://h/live/back").status).toBe(200);
    expect(mine.rtsp.peer.state).toBe("open");
  });
});

describe("changed limits", () => {
  it("hold for those who come, and put nobody out", () => {
    const world = startFrom(OPEN);
    const clients = [1, 2, 3].map(() => {
      const client = new RtspClient(world);
      client.play("/live/back");
      return client;
    });
    write(world, { ...OPEN, limits: { clients: 2, connections: 4 } });
    expect(world.server.viewers.count).toBe(3);
    const fourth = new HttpClient(world);
    expect(fourth.get("/back/").status).toBe(503);
    expect(new HttpClient(world).reply(0).status).toBe(503);
    expect(world.server.admission.refused).toBe(1);
    write(world, { ...OPEN, limits: { clients: 4, connections: 8, idleSeconds: 5 } });
    expect(fourth.get("/back/").status).toBe(200);
    const idle = new HttpClient(world);
    idle.get("/api/status");
    idle.watch(7 * SECOND);
    expect(idle.peer.state).toBe("flushed");
    expect(clients.every(({ peer }) => peer.state === "open")).toBe(true);
  });
});

describe("alwaysOn", () => {
  it("keeps a camera open from the start, and a reload switches it on and off", () => {
    const on = { ...OPEN, cameras: { front: { alwaysOn: true } } };
    const world = startFrom(on);
    expect(world.host.encodersOf("front").map(({ spec }) => spec.codec)).toEqual(["h264", "jpeg"]);
    expect(world.host.encodersOf("back")).toHaveLength(0);
    const client = new RtspClient(world);
    client.play("/live/front");
    client.peer.drop();
    world.host.advance(world.core, 30 * SECOND);
    expect(world.host.encodersOf("front")).toHaveLength(2);
    write(world, OPEN);
    world.host.advance(world.core, 9 * SECOND);
    expect(world.host.encodersOf("front")).toHaveLength(2);
    world.host.advance(world.core, 2 * SECOND);
    expect(world.host.encodersOf("front")).toHaveLength(0);
    write(world, on);
    expect(world.host.encodersOf("front")).toHaveLength(2);
    // As fast as the camera may be back, it comes back.
    for (const { handle } of world.host.encodersOf("front")) {
      world.host.push({ type: "encoder", handle, state: "failed", reason: "evicted" });
    }
    world.host.settle(world.core);
    expect(world.host.encodersOf("front")).toHaveLength(0);
    world.host.push({ type: "cameras" });
    world.host.settle(world.core);
    expect(world.host.encodersOf("front")).toHaveLength(2);
  });

  it("does not open a camera that is switched off", () => {
    const world = startFrom({ ...OPEN, cameras: { front: { alwaysOn: true, enabled: false } } });
    world.host.advance(world.core, 5 * SECOND);
    expect(world.host.called("encoderOpen")).toHaveLength(0);
    // It is not wanted, which is no failure.
    const states = JSON.parse(world.server.status()).encoders.map((each: { state: string }) => each.state);
    expect(states).toEqual(["idle", "idle", "idle", "idle"]);
  });
});

describe("JPEG encoders", () => {
  const mjpeg = (path: string, more: Record<string, unknown> = {}) => ({
    path,
    camera: "back",
    codec: "mjpeg",
    ...more,
  });
  const openSpecs = (world: World) => world.host.encodersOf("back").map(({ spec }) => spec);

  it("are one for a camera and size, whose rate and quality the first profile says", () => {
    const world = startFrom({
      ...OPEN,
      builtinProfiles: false,
      profiles: [
        mjpeg("/a", { fps: 10, quality: 60 }),
        mjpeg("/b", { fps: 30, quality: 90 }),
        mjpeg("/small", { width: 640, height: 480 }),
        mjpeg("/door", { camera: "front" }),
      ],
    });
    for (const path of ["/a", "/b", "/small", "/door"]) {
      new RtspClient(world).play(path);
      expect(new HttpClient(world).get(path).status).toBe(200);
      expect(new HttpClient(world).get(`${path}/snapshot.jpg`).status).toBe(200);
    }
    expect(openSpecs(world)).toMatchObject([
      { codec: "jpeg", width: 1280, height: 720, fps: 10, quality: 60 },
      { codec: "jpeg", width: 640, height: 480 },
    ]);
    expect(world.host.encodersOf("front")).toHaveLength(1);
  });

  it("never run faster than mjpeg.fps, and a changed cap makes another", () => {
    const world = startFrom({ ...OPEN, mjpeg: { fps: 15 } });
    const http = new HttpClient(world);
    http.get("/back/");
    http.firstBoundary();
    const rtsp = new RtspClient(world);
    rtsp.play("/live/back");
    expect(openSpecs(world)).toMatchObject([
      { codec: "jpeg", fps: 15 },
      { codec: "h264", fps: 25 },
    ]);
    http.parts();
    http.watch(2 * SECOND);
    expect(Math.abs(http.parts().length - 30)).toBeLessThanOrEqual(1);
    write(world, { ...OPEN, mjpeg: { fps: 5 } });
    expect(http.peer.state).toBe("flushed");
    expect(rtsp.peer.state).toBe("open");
    new HttpClient(world).get("/back/");
    expect(openSpecs(world).find(({ codec }) => codec === "jpeg")!.fps).toBe(5);
  });

  it("live on under a second profile when the first is gone, with its HTTP viewers, if nothing else changes", () => {
    const same = { fps: 20, quality: 70, width: 640, height: 480 };
    const profiles = [mjpeg("/a", same), mjpeg("/b", same)];
    const world = startFrom({ ...OPEN, profiles });
    const [a, b] = [new HttpClient(world), new HttpClient(world)];
    a.get("/a");
    b.get("/b");
    const gone = vi.spyOn(world.server.profiles.byKey("/a")!.feed, "onFrame");
    a.watch(100_000);
    expect(gone).toHaveBeenCalled();
    write(world, { ...OPEN, profiles: profiles.slice(1) });
    expect(b.peer.state).toBe("open");
    gone.mockClear();
    b.firstBoundary();
    b.parts();
    b.watch(SECOND);
    expect(b.parts().length).toBeGreaterThanOrEqual(19);
    expect(world.host.called("encoderOpen")).toHaveLength(1);
    expect(gone).not.toHaveBeenCalled();
    // The others' numbers still fall to zero.
    for (const { peer } of [a, b]) peer.drop();
    world.host.advance(world.core, 11 * SECOND);
    expect(world.host.openHandles).toMatchObject({ encoders: 0, outlets: 0, fanouts: 0 });
  });
});
