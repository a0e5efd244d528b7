import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { HttpClient, jpegOf, RTSP_PORT, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const MJPEG = "/back/";

/** A server whose pictures the test makes. */
function handFed(config: Record<string, unknown> = {}): World {
  const host = new FakeHost();
  host.encoding = false;
  return startServer(config, host);
}

/** The JPEG encoder of the back camera takes a picture now. */
function picture(world: World, jpeg: Uint8Array): void {
  const { host, core } = world;
  const encoder = host.encodersOf("back").find(({ spec }) => spec.codec === "jpeg");
  if (encoder === undefined) throw new Error("no JPEG encoder is open");
  if (encoder.frames === 0) host.push(host.formatOf(encoder.handle));
  host.jpegFrame(encoder.handle, jpeg);
  host.settle(core);
}

const secondsOf = (us: number): string => `${Math.floor(us / SECOND)}.${String(us % SECOND).padStart(6, "0")}`;

describe("the MJPEG stream", () => {
  it("begins with the head and the first boundary, then the picture whole, with the boundary behind it", () => {
    const world = handFed();
    const client = new HttpClient(world);
    client.send("GET", MJPEG);
    expect(client.silent).toBe(true);
    const jpeg = jpegOf(5_000, 7);
    picture(world, jpeg);
    // All of it in the picture's turn: whoever reads so far can show it.
    const head = client.reply(0);
    expect(head.status).toBe(200);
    expect(head.headers.get("content-type")).toBe("multipart/x-mixed-replace; boundary=porthole-frame");
    expect(head.headers.get("cache-control")).toContain("no-cache");
    expect(head.headers.get("connection")).toBe("close");
    expect(head.headers.has("content-length")).toBe(false);
    expect(head.headers.has("transfer-encoding")).toBe(false);
    client.firstBoundary();
    const [part, ...more] = client.parts();
    expect(part!.jpeg).toEqual(jpeg);
    expect(part!.headers.get("content-type")).toBe("image/jpeg");
    expect(part!.headers.get("x-timestamp")).toBe(secondsOf(world.host.nowUs));
    expect(more).toHaveLength(0);
    expect(client.rest).toBe("");
  });

  it("shows a viewer who comes later the next picture first, never an older one", () => {
    const world = handFed();
    const first = new HttpClient(world);
    first.send("GET", MJPEG);
    picture(world, jpegOf(2_000, 1));
    const second = new HttpClient(world);
    second.send("GET", MJPEG);
    world.host.advance(world.core, 30_000);
    expect(second.silent).toBe(true);
    picture(world, jpegOf(2_000, 2));
    second.reply(0);
    second.firstBoundary();
    expect(second.parts().map(({ jpeg }) => jpeg)).toEqual([jpegOf(2_000, 2)]);
    first.reply(0);
    first.firstBoundary();
    expect(first.parts()).toHaveLength(2);
  });

  it("serves twelve viewers, an RTSP viewer and a snapshot from one encoder, and all see every picture", () => {
    const world = startServer();
    const clients = Array.from({ length: 12 }, (_, i) => new HttpClient(world, `10.0.0.${i + 1}`));
    for (const client of clients) client.send("GET", MJPEG);
    const rtsp = new RtspClient(world);
    rtsp.play("/live/back/mjpeg");
    for (const client of clients) client.reply();
    for (const client of clients) client.firstBoundary();
    expect(new HttpClient(world).get("/back/snapshot.jpg").status).toBe(200);
    for (const client of clients) client.parts();
    world.host.advance(world.core, 2 * SECOND);
    const counts = clients.map((client) => client.parts().length);
    expect(counts[0]).toBeGreaterThanOrEqual(49);
    expect(new Set(counts).size).toBe(1);
    expect(rtsp.rtp().length).toBeGreaterThanOrEqual(49);
    expect(world.host.called("encoderOpen")).toHaveLength(1);
    // One plan a picture, however many read it: one fan-out is HTTP's, one is RTP's.
    const sends = world.host.called("fanoutSend").slice(-20);
    expect(new Set(sends.map((call) => call.args[0])).size).toBe(2);
  });

  it("gives a slow reader the newest picture each time, in whole parts, and leaves the others alone", () => {
    const world = handFed();
    const [slow, fast] = [new HttpClient(world), new HttpClient(world)];
    for (const client of [slow, fast]) client.send("GET", MJPEG);
    picture(world, jpegOf(30_000, 1));
    slow.peer.open(10_000); // of the second picture, a third
    for (let n = 2; n <= 60; n++) {
      world.host.advance(world.core, 40_000);
      picture(world, jpegOf(30_000, n));
    }
    slow.peer.open();
    for (const client of [slow, fast]) {
      client.reply(0);
      client.firstBoundary();
    }
    const seen = (client: HttpClient) => client.parts().map(({ jpeg }) => jpeg[jpeg.length - 3]);
    // The second had begun, so it is finished; the rest was skipped for the sixtieth.
    expect(seen(slow)).toEqual([1, 2, 60]);
    expect(seen(fast)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    world.host.settle(world.core);
    const figures = JSON.parse(world.server.status()).clients;
    expect(figures.map((each: { skippedFrames: number }) => each.skippedFrames)).toEqual([57, 0]);
  });

  it("closes a reader that takes nothing for half a minute, and not one that takes a little", () => {
    const world = startServer();
    const [dead, slow] = [new HttpClient(world), new HttpClient(world)];
    for (const client of [dead, slow]) {
      client.get(MJPEG);
      client.peer.window = 0;
    }
    for (let s = 0; s < 40; s++) {
      slow.peer.open(100);
      world.host.advance(world.core, SECOND);
      if (s === 28) expect(dead.peer.state).toBe("open");
    }
    expect(dead.peer.state).toBe("reset");
    expect(slow.peer.state).toBe("open");
    expect(world.server.viewers.count).toBe(1);
  });

  it("does not take a camera's absence for the reader's", () => {
    const world = handFed();
    const client = new HttpClient(world);
    client.send("GET", MJPEG);
    picture(world, jpegOf(2_000, 1));
    // Meanwhile it is opened again and again.
    world.host.advance(world.core, 40 * SECOND);
    expect(world.host.called("encoderOpen").length).toBeGreaterThan(2);
    client.peer.window = 0;
    picture(world, jpegOf(2_000, 2));
    world.host.advance(world.core, 2 * SECOND);
    expect(client.peer.state).toBe("open");
  });

  it("ends when the viewer says FIN, drops what it says meanwhile, and frees the encoder after the linger", () => {
    const world = startServer();
    const rest = world.host.openHandles;
    const client = new HttpClient(world);
    client.get(MJPEG);
    for (let i = 0; i < 40; i++) client.send("GET", "/api/status");
    client.watch(SECOND);
    expect(client.peer.state).toBe("open");
    expect(client.rest).not.toContain("HTTP/1.1");
    client.peer.end();
    client.watch(SECOND);
    expect(client.peer.state).not.toBe("open");
    expect(world.server.viewers.count).toBe(0);
    expect(world.host.encodersOf("back")).toHaveLength(1);
    client.watch(11 * SECOND);
    expect(world.host.openHandles).toEqual(rest);
  });

  it("is found by the camera's name and by the profile's path, in any case, with and without a slash", () => {
    const world = startServer();
    for (const target of ["/back", "/Back/", "/BACK", "/live/back/mjpeg", "/Live/Back/MJPEG/", "/b%61ck/?x=1"]) {
      expect(new HttpClient(world).get(target).headers.get("content-type")).toContain("multipart");
    }
    expect(world.host.called("encoderOpen")).toHaveLength(1);
  });

  it("answers HEAD with its head alone, and lets go of the encoder", () => {
    const world = startServer();
    const client = new HttpClient(world);
    const head = client.request("HEAD", MJPEG);
    expect(head.headers.get("content-type")).toContain("multipart/x-mixed-replace");
    expect(client.rest).toBe("");
    expect(client.peer.state).toBe("flushed");
    expect(world.server.viewers.count).toBe(0);
    client.watch(11 * SECOND);
    expect(world.host.openHandles.encoders).toBe(0);
  });
});

describe("a camera that gives no picture", () => {
  it.each([MJPEG, "/back/snapshot.jpg"])(
    "makes %s a 503 with Retry-After after three seconds, not an empty answer",
    (target) => {
      const world = handFed();
      const client = new HttpClient(world);
      client.send("GET", target);
      client.watch(2_900_000);
      expect(client.silent).toBe(true);
      const reply = client.reply(200_000);
      expect(reply.status).toBe(503);
      expect(reply.headers.get("retry-after")).toBe("5");
      client.watch(11 * SECOND);
      expect(world.host.openHandles.encoders).toBe(0);
    },
  );

  it("is told at once when it is switched off, with what switches it on", () => {
    const world = startServer({ cameras: { back: { enabled: false } } });
    for (const target of [MJPEG, "/back/snapshot.jpg"]) {
      const client = new HttpClient(world);
      client.send("GET", target);
      const reply = client.reply(0);
      expect(reply.status).toBe(503);
      expect(reply.body).toContain("disabled");
      expect(reply.body).toContain("set cameras.back.enabled to true");
    }
    expect(world.host.called("encoderOpen")).toHaveLength(0);
  });

  it("is told with the host's reason when its encoder fails while somebody waits", () => {
    const world = handFed();
    const [a, b] = [new HttpClient(world), new HttpClient(world)];
    a.send("GET", MJPEG);
    b.send("GET", "/back/snapshot.jpg");
    const { handle } = world.host.encodersOf("back")[0]!;
    world.host.push({ type: "encoder", handle, state: "failed", reason: "another app has the camera" });
    world.host.settle(world.core);
    for (const client of [a, b]) {
      const reply = client.reply(0);
      expect(reply.status).toBe(503);
      expect(reply.body).toContain("another app has the camera");
    }
    world.host.advance(world.core, 60 * SECOND);
    expect(world.host.called("encoderOpen")).toHaveLength(1);
  });
});

describe("a snapshot", () => {
  it("larger than the control lane reaches a slow reader whole, piece by piece, and the connection goes on", () => {
    const world = handFed();
    const client = new HttpClient(world);
    const jpeg = jpegOf(1_500_000, 9);
    client.peer.window = 20_000;
    client.send("GET", "/back/snapshot.jpg");
    client.send("GET", "/api/status");
    picture(world, jpeg);
    expect(world.host.blobCount).toBe(1);
    for (let i = 0; i < 200 && world.host.blobCount > 0; i++) {
      client.peer.open(20_000);
      world.host.settle(world.core);
    }
    expect(world.host.blobCount).toBe(0);
    client.peer.open();
    world.host.settle(world.core);
    const reply = client.reply(0);
    expect(reply.headers.get("content-type")).toBe("image/jpeg");
    expect(Buffer.from(reply.body, "latin1").equals(jpeg)).toBe(true);
    expect(JSON.parse(client.reply(0).body).server).toBeDefined();
  });

  it("is the next picture, with its time and size, and is not to be kept by caches", () => {
    const world = handFed();
    const viewer = new HttpClient(world);
    viewer.send("GET", MJPEG);
    picture(world, jpegOf(2_000, 1));
    const client = new HttpClient(world);
    client.send("GET", "/Back/Snapshot.JPG");
    world.host.advance(world.core, 10_000);
    expect(client.silent).toBe(true);
    picture(world, jpegOf(2_000, 2));
    const reply = client.reply(0);
    expect(reply.body.charCodeAt(1_000)).toBe(2);
    expect(reply.headers.get("x-timestamp-us")).toBe(String(world.host.nowUs));
    expect([reply.headers.get("x-width"), reply.headers.get("x-height")]).toEqual(["1280", "720"]);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(world.host.blobCount).toBe(0);
  });

  it("answers HEAD with the same head, no picture, and keeps the connection and no blob", () => {
    const world = startServer();
    const client = new HttpClient(world);
    const head = client.request("HEAD", "/back/snapshot.jpg");
    const get = client.get("/back/snapshot.jpg");
    expect(head.headers.get("content-length")).toBe(String(get.body.length));
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(500);
    expect(client.rest).toBe("");
    expect(world.host.blobCount).toBe(0);
  });

  it("comes several times over one connection, asked one by one or all at once", () => {
    const world = startServer();
    const client = new HttpClient(world);
    for (let i = 0; i < 3; i++) expect(client.get("/back/snapshot.jpg").status).toBe(200);
    for (let i = 0; i < 12; i++) client.send("GET", "/back/snapshot.jpg");
    const times = Array.from({ length: 12 }, () => Number(client.reply().headers.get("x-timestamp-us")));
    for (let i = 1; i < 12; i++) expect(times[i]).toBeGreaterThan(times[i - 1]!);
    expect(client.peer.state).toBe("open");
  });

  it("is a 503 when too many pictures are being sent already", () => {
    const world = startServer();
    const client = new HttpClient(world);
    world.host.fail("keepFrame", -2);
    const reply = client.get("/back/snapshot.jpg");
    expect(reply.status).toBe(503);
    expect(reply.body).toContain("too many pictures");
    expect(client.get("/back/snapshot.jpg").status).toBe(200);
  });

  it("leaves no blob when the client goes in the middle of it, and no user of the encoder when it goes before", () => {
    const world = handFed();
    const clients = Array.from({ length: 3 }, () => new HttpClient(world));
    for (const client of clients) {
      client.peer.window = 5_000;
      client.send("GET", "/back/snapshot.jpg");
    }
    clients[2]!.peer.drop();
    picture(world, jpegOf(1_000_000, 3));
    expect(world.host.blobCount).toBe(1);
    clients[0]!.peer.drop();
    world.host.settle(world.core);
    expect(world.host.blobCount).toBe(1);
    clients[1]!.watch(61 * SECOND); // takes nothing more
    expect(clients[1]!.peer.state).toBe("reset");
    expect(world.host.blobCount).toBe(0);
    expect(world.host.openHandles.encoders).toBe(0);
    expect(world.server.admission.connections).toBe(0);
  });

  it("waits with its head for room in the lane, and leaves no blob whether that comes or the client goes", () => {
    for (const how of ["room", "drop"]) {
      const world = handFed();
      const client = new HttpClient(world);
      client.send("GET", "/back/snapshot.jpg");
      world.host.fail("tcpWrite", -2, 2); // for the head and for the picture behind it
      picture(world, jpegOf(300_000, 1));
      expect(client.silent).toBe(true);
      expect(world.host.blobCount).toBe(1);
      if (how === "drop") client.peer.drop();
      else world.host.push({ type: "writable", handle: client.peer.handle });
      world.host.settle(world.core);
      if (how === "room") expect(client.reply(0).body.length).toBe(300_000);
      expect(world.host.blobCount).toBe(0);
    }
  });

  it("may take longer than the idle time while the client goes on taking it", () => {
    const world = handFed({ limits: { idleSeconds: 5 } });
    const client = new HttpClient(world);
    client.peer.window = 0;
    client.send("GET", "/back/snapshot.jpg");
    picture(world, jpegOf(1_500_000, 4));
    for (let i = 0; i < 20; i++) {
      client.peer.open(130_000);
      client.watch(3 * SECOND);
    }
    expect(client.reply(0).body.length).toBe(1_500_000);
  });
});

describe("the status", () => {
  it("tells cameras, encoders, profiles and clients as JSON, and is not to be kept", () => {
    const world = startServer();
    const viewer = new HttpClient(world, "10.0.0.7");
    viewer.get(MJPEG, { "User-Agent": "a browser" });
    const rtsp = new RtspClient(world, "10.0.0.8");
    rtsp.play("/live/back");
    rtsp.watch(3 * SECOND);
    const reply = new HttpClient(world).get("/api/status");
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.headers.get("cache-control")).toBe("no-store");
    const status = JSON.parse(reply.body);
    expect(status.server).toMatchObject({ clients: 2, connections: 3, connectionsRefused: 0 });
    expect(status.cameras).toMatchObject([
      { name: "back", state: "ok", facing: "back" },
      { name: "front", state: "ok" },
    ]);
    expect(status.clients).toMatchObject([
      { protocol: "http", address: "10.0.0.7", userAgent: "a browser", transport: "tcp", state: "playing" },
      { protocol: "rtsp", address: "10.0.0.8", path: "/live/back", transport: "tcp", state: "playing" },
    ]);
    const jpeg = status.encoders.find(
      (each: { codec: string; camera: string }) => each.codec === "jpeg" && each.camera === "back",
    );
    expect(jpeg).toMatchObject({ state: "running", users: 1, opened: 1, width: 1280, height: 720 });
    const h264 = status.encoders.find((each: { label: string }) => each.label.includes("/live/back"));
    expect(h264).toMatchObject({ state: "running", users: 1 });
    for (const { fps } of [jpeg, h264]) expect(fps).toBeCloseTo(25, 0);
    expect(h264.bitrate).toBeGreaterThan(25 * 4_000 * 8 * 0.9);
  });
});

describe("the page", () => {
  it("is one document that runs nothing but its own script, and is kept by nobody", () => {
    const reply = new HttpClient(startServer()).get("/", { Host: "192.0.2.10:8089" });
    expect(reply.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = reply.headers.get("content-security-policy")!;
    for (const rule of ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) {
      expect(policy).toContain(rule);
    }
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.headers.get("referrer-policy")).toBe("no-referrer");
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
    expect(reply.body).toMatch(/^<!doctype html>/);
    expect(reply.body).not.toMatch(/\son[a-z]+=|javascript:/i);
  });

  it("says who has logged in, escaped", () => {
    const name = "an'na<b>&";
    const world = startServer({ auth: { enabled: true }, users: [{ name, password: "a-1", role: "viewer" }] });
    const basic = Buffer.from(`${name}:a-1`).toString("base64");
    const { body } = new HttpClient(world).get("/", { Authorization: `Basic ${basic}` });
    const written = /data-login="([^"]*)"/.exec(body)![1]!;
    expect(written).not.toMatch(/[<>']/);
    const login = written.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
    expect(JSON.parse(login)).toEqual({ user: name, role: "viewer" });
  });

  it("says that everybody is admin where logins are switched off", () => {
    const { body } = new HttpClient(startServer()).get("/");
    expect(body).toContain("{&#34;user&#34;:null,&#34;role&#34;:&#34;admin&#34;}");
  });
});

describe("what HTTP refuses", () => {
  const cases: [number, string, string, Record<string, string>][] = [
    [404, "GET", "/nothing", {}],
    [404, "GET", "/live/back", {}],
    [404, "GET", "/snapshot.jpg", {}],
    [404, "GET", "/nothing/snapshot.jpg", {}],
    [405, "POST", "/", { "Content-Type": "application/json" }],
    [405, "DELETE", "/back/snapshot.jpg", {}],
    [405, "BREW", "/api/status", {}],
  ];
  it.each(cases)("answers %i to %s %s, and serves the next request", (status, method, target, headers) => {
    const world = startServer();
    const client = new HttpClient(world);
    const reply = client.request(method, target, headers);
    expect(reply.status).toBe(status);
    if (status === 405) expect(reply.headers.get("allow")).toContain("GET");
    expect(client.get("/api/status").status).toBe(200);
  });

  it("answers OPTIONS with what there is", () => {
    const world = startServer();
    const client = new HttpClient(world);
    const reply = client.request("OPTIONS", "/back/");
    expect(reply.status).toBe(204);
    expect(reply.headers.get("allow")).toContain("GET");
    expect(client.get("/api/status").status).toBe(200);
  });

  const broken: [number, string][] = [
    [400, "GET /../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
    [400, "GET / HTTP/1.1\r\n\r\n"],
    [400, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header: 1\r\n\r\n"],
    [400, "nonsense\r\n\r\n"],
    [505, "OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"],
    [414, `GET /${"x".repeat(3_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`],
    [413, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n"],
  ];
  it.each(broken)("answers %i to %j and closes, as the framing is lost", (status, text) => {
    const world = startServer();
    const client = new HttpClient(world);
    client.raw(`${text}GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    const reply = client.reply(0);
    expect(reply.status).toBe(status);
    expect(reply.headers.get("connection")).toBe("close");
    expect(client.peer.state).toBe("flushed");
    expect(client.rest).toBe("");
    expect(new HttpClient(world).get("/api/status").status).toBe(200);
  });

  it("answers 503 past the most clients, of both protocols together, and again serves when one leaves", () => {
    const world = startServer({ limits: { clients: 2 } });
    const rtsp = new RtspClient(world);
    rtsp.play("/live/back");
    const viewer = new HttpClient(world);
    expect(viewer.get(MJPEG).status).toBe(200);
    const third = new HttpClient(world);
    const refused = third.get(MJPEG);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("5");
    const fourth = new RtspClient(world);
    const setup = () =>
      fourth.request("SETUP", "rtsp://127.0.0.1/live/front/trackID=0", { Transport: "RTP/AVP/TCP;interleaved=0-1" });
    expect(setup().status).toBe(453);
    // A snapshot is no client.
    expect(third.get("/back/snapshot.jpg").status).toBe(200);
    viewer.peer.drop();
    world.host.settle(world.core);
    expect(setup().status).toBe(200);
  });

  it("lets no more viewers in than the limit when they wait for the same picture, or for their ports", () => {
    const world = handFed({ limits: { clients: 2 } });
    const clients = Array.from({ length: 4 }, () => new HttpClient(world));
    for (const client of clients) client.send("GET", MJPEG);
    picture(world, jpegOf(2_000, 1));
    expect(clients.map((client) => client.reply(0).status)).toEqual([200, 200, 503, 503]);
    const other = startServer({ limits: { clients: 2 } });
    const sessions = Array.from({ length: 4 }, () => new RtspClient(other));
    for (const [i, { peer }] of sessions.entries()) {
      peer.send(
        `SETUP rtsp://127.0.0.1/live/back/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=${5000 + 2 * i}-${5001 + 2 * i}\r\n\r\n`,
      );
    }
    other.host.settle(other.core);
    expect(sessions.map((client) => client.reply().status)).toEqual([200, 200, 453, 453]);
    expect(other.host.openHandles.sockets).toBe(4);
  });
});

describe("how long an HTTP connection lives", () => {
  it.each([
    ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "keep-alive"],
    ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Close\r\n\r\n", "close"],
    ["GET / HTTP/1.0\r\n\r\n", "close"],
    ["GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"],
  ])("after %j it is %s", (request, connection) => {
    const world = startServer();
    const client = new HttpClient(world);
    client.raw(request);
    expect(client.reply(0).headers.get("connection")).toBe(connection);
    expect(client.peer.state).toBe(connection === "close" ? "flushed" : "open");
  });

  it("answers requests in their order, one that waits for a picture included", () => {
    const world = startServer();
    const client = new HttpClient(world);
    for (const target of ["/api/status", "/back/snapshot.jpg", "/", "/nothing"]) client.send("GET", target);
    const replies = Array.from({ length: 4 }, () => client.reply());
    expect(replies.map(({ status, headers }) => `${status} ${headers.get("content-type")}`)).toEqual([
      "200 application/json",
      "200 image/jpeg",
      "200 text/html; charset=utf-8",
      "404 application/json",
    ]);
  });

  it("keeps answers that find the lane full until there is room, in their order", () => {
    const world = startServer();
    const client = new HttpClient(world);
    client.peer.window = 0;
    const isFull = () => world.host.called("tcpWrite").some(({ result }) => result === -2);
    let asked = 0;
    while (!isFull() && asked < 1_000) {
      client.send("GET", asked % 2 === 0 ? "/api/status" : "/nothing");
      asked++;
    }
    expect(isFull()).toBe(true);
    for (let i = 0; i < 5; i++) client.send("GET", "/");
    client.watch(SECOND);
    expect(client.peer.state).toBe("open");
    client.peer.open();
    world.host.settle(world.core);
    for (let i = 0; i < asked; i++) expect(client.reply(0).status).toBe(i % 2 === 0 ? 200 : 404);
    for (let i = 0; i < 5; i++) expect(client.reply(0).headers.get("content-type")).toContain("text/html");
  });

  it("is not read past sixteen requests that wait, and is read again when they are answered", () => {
    const world = handFed();
    const client = new HttpClient(world);
    client.send("GET", "/back/snapshot.jpg");
    for (let i = 0; i < 40; i++) client.send("GET", "/nothing");
    expect(world.host.called("tcpPause")).toHaveLength(1);
    picture(world, jpegOf(2_000, 1));
    client.watch(10_000);
    expect(client.reply(0).status).toBe(200);
    for (let i = 0; i < 40; i++) expect(client.reply(0).status).toBe(404);
  });

  it("still answers a client that has sent FIN behind its request, then closes", () => {
    const world = handFed();
    const client = new HttpClient(world);
    client.send("GET", "/back/snapshot.jpg");
    client.peer.end();
    world.host.settle(world.core);
    expect(client.peer.state).toBe("open");
    picture(world, jpegOf(400_000, 1));
    expect(client.reply(0).body.length).toBe(400_000);
    expect(client.peer.state).toBe("flushed");
  });

  it("takes a FIN behind the request for a stream as the viewer's leaving, when the stream begins at the latest", () => {
    const world = handFed();
    const client = new HttpClient(world);
    client.send("GET", MJPEG);
    client.peer.end();
    world.host.settle(world.core);
    picture(world, jpegOf(2_000, 1));
    expect(client.peer.state).not.toBe("open");
    expect(world.server.viewers.count).toBe(0);
    client.watch(11 * SECOND);
    expect(world.host.openHandles).toMatchObject({ connections: 0, outlets: 0, fanouts: 0, encoders: 0 });
  });

  it("lets a client send a body after 100 Continue", () => {
    const world = startServer();
    const client = new HttpClient(world);
    client.send("POST", "/", { Expect: "100-continue", "Content-Type": "application/json", "Content-Length": "2" });
    expect(client.reply(0).status).toBe(100);
    client.raw("{}");
    expect(client.reply(0).status).toBe(405);
    expect(client.get("/api/status").status).toBe(200);
  });

  it("closes one that says nothing for the idle time, not one that asks now and then", () => {
    const world = startServer({ limits: { idleSeconds: 20 } });
    const [idle, busy] = [new HttpClient(world), new HttpClient(world)];
    idle.get("/api/status");
    for (let i = 0; i < 3; i++) {
      expect(busy.get("/api/status").status).toBe(200);
      busy.watch(15 * SECOND);
      if (i === 0) expect(idle.peer.state).toBe("open");
    }
    expect(idle.peer.state).toBe("flushed");
    expect(busy.peer.state).toBe("open");
  });

  it("cuts one without a login ten seconds after it was opened, however busy it keeps itself", () => {
    const world = startServer({ auth: { enabled: true }, users: [{ name: "me", password: "secret" }] });
    const [silent, dripping, knocking] = [new HttpClient(world), new HttpClient(world), new HttpClient(world)];
    for (let s = 0; s < 9; s++) {
      dripping.raw("x");
      expect(knocking.get("/").status).toBe(401);
      world.host.advance(world.core, SECOND);
    }
    for (const client of [silent, dripping, knocking]) expect(client.peer.state).toBe("open");
    world.host.advance(world.core, 3 * SECOND);
    for (const client of [silent, dripping, knocking]) expect(client.peer.state).toBe("flushed");
    const rtsp = new RtspClient(world);
    for (let s = 0; s < 12 && rtsp.peer.state === "open"; s++) {
      rtsp.request("OPTIONS", "*");
      rtsp.watch(SECOND);
    }
    expect(rtsp.peer.state).toBe("flushed");
    expect(world.server.admission.connections).toBe(0);
  });
});

describe("how many connections are let in", () => {
  it("refuses past the bound of an address and past that of all, over RTSP and HTTP together", () => {
    const world = startServer({ limits: { clients: 1, connections: 5, connectionsPerAddress: 3 } });
    const mine = [
      new RtspClient(world, "10.0.0.1"),
      new HttpClient(world, "10.0.0.1"),
      new RtspClient(world, "10.0.0.1"),
    ];
    const fourth = new HttpClient(world, "10.0.0.1");
    const refusal = fourth.reply(0);
    expect(refusal.status).toBe(503);
    expect(refusal.headers.get("retry-after")).toBe("5");
    expect(fourth.peer.state).toBe("flushed");
    const fifth = new RtspClient(world, "10.0.0.1");
    expect(fifth.reply(0).status).toBe(503);
    expect(fifth.peer.state).toBe("flushed");
    // Who is known isn't displaced by anybody.
    for (const client of mine) client.request("OPTIONS", "*");
    mine[1]!.send("GET", "/api/status");
    expect((mine[1] as HttpClient).reply().status).toBe(200);
    for (const client of [mine[0], mine[2]]) {
      client!.request("GET_PARAMETER", `rtsp://127.0.0.1:${RTSP_PORT}/live/back`);
    }
    const others = [new HttpClient(world, "10.0.0.2"), new RtspClient(world, "10.0.0.3")];
    expect(new HttpClient(world, "10.0.0.4").reply(0).status).toBe(503);
    expect(world.server.admission).toMatchObject({ connections: 5, refused: 3 });
    // What a refused one sends reaches nobody, and its leaving isn't counted twice.
    fourth.raw("GET / HTTP/1.1\r\n\r\n");
    fourth.peer.drop();
    fifth.peer.drop();
    mine[1]!.peer.drop();
    world.host.settle(world.core);
    expect(world.server.admission.connections).toBe(4);
    expect(new HttpClient(world, "10.0.0.1").get("/api/status").status).toBe(200);
    for (const client of [...mine, ...others]) client.peer.drop();
    world.host.advance(world.core, 61 * SECOND);
    expect(world.server.admission.connections).toBe(0);
    expect(world.server.runtime.ownedHandles).toBe(2);
  });
});
