import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { interleaved, nalTypeOf, RTSP_PORT, RtspClient, receiverReport, rtpOf, startServer } from "./testing.ts";

const URL = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";

describe("a session over TCP", () => {
  it("goes from DESCRIBE to pictures, and its reply to PLAY precedes the first packet and names it", () => {
    const world = startServer();
    const client = new RtspClient(world);
    const sdp = client.request("DESCRIBE", URL);
    expect(sdp.status).toBe(200);
    expect(sdp.headers.get("content-base")).toBe(`${URL}/`);
    expect(sdp.headers.get("content-type")).toBe("application/sdp");
    expect(sdp.body).toContain("a=control:trackID=0\r\n");
    expect(sdp.body).toMatch(/sprop-parameter-sets=Z0LA[^,]+,aMuDyyA=/);
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).headers.get("transport")).toMatch(
      /^RTP\/AVP\/TCP;unicast;interleaved=0-1;ssrc=[0-9A-F]{8}$/,
    );
    const play = client.request("PLAY", `${URL}/`);
    client.watch(200_000);
    const info = /^url=(.*);seq=(\d+);rtptime=(\d+)$/.exec(play.headers.get("rtp-info") ?? "");
    expect(info?.[1]).toBe(`${URL}/trackID=0`);
    const [first, second] = client.rtp();
    expect(first).toMatchObject({ sequence: Number(info![2]), timestamp: Number(info![3]) });
    expect(nalTypeOf(first!.payload)).toBe(24);
    expect(nalTypeOf(second!.payload)).toBe(5);
    expect(client.order.indexOf(0)).toBeGreaterThan(client.order.lastIndexOf("reply"));
  });

  it("sends a sender report with the first frame and then every five seconds, and none in between", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(1_000_000);
    expect(client.packets.filter((each) => each.channel === 1)).toHaveLength(1);
    expect(client.order.filter((each) => each !== "reply").indexOf(1)).toBeLessThan(30);
    client.watch(10_000_000);
    expect(client.packets.filter((each) => each.channel === 1)).toHaveLength(3);
    const report = client.packets.find((each) => each.channel === 1)!.packet;
    expect(report[1]).toBe(200);
  });

  it("sends each of several readers reports at its own times, whoever joins, pauses or leaves meanwhile", () => {
    const world = startServer();
    const [first, second, third] = [new RtspClient(world), new RtspClient(world), new RtspClient(world)];
    const reportsIn = (client: RtspClient, us: number, act: () => void = () => {}): number => {
      const count = () => client.packets.filter((each) => each.channel === 1).length;
      client.watch(0);
      const before = count();
      act();
      client.watch(us);
      return count() - before;
    };
    first.play("/live/back");
    first.watch(2_000_000);
    second.play("/live/back");
    second.watch(2_000_000);
    third.play("/live/back");
    // The first one's second report is due after 5 s, the second one's after 7 s, the third one's after 9 s.
    expect(reportsIn(first, 1_500_000)).toBe(1);
    expect(first.request("TEARDOWN", `${URL}/`).status).toBe(200);
    expect(reportsIn(second, 2_000_000)).toBe(1);
    expect(second.request("PAUSE", `${URL}/`).status).toBe(200);
    expect(reportsIn(third, 2_000_000)).toBe(1);
    expect(reportsIn(second, 10_000_000)).toBe(0);
    expect(reportsIn(second, 1_000_000, () => second.request("PLAY", `${URL}/`))).toBe(1);
    expect(reportsIn(third, 5_000_000)).toBe(1);
    expect(reportsIn(first, 10_000_000)).toBe(0);
  });

  it("maps the same wall clock to RTP time in every report, and follows a step of the wall clock", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    const reports = () =>
      client.packets.filter((each) => each.channel === 1).map(({ packet }) => new DataView(packet.buffer));
    const offset = (report: DataView) =>
      report.getUint32(8) + report.getUint32(12) / 2 ** 32 - report.getUint32(16) / 90_000;
    client.watch(1_000_000);
    world.host.wallOffsetUs += 400_000;
    client.watch(5_000_000);
    world.host.wallOffsetUs += 3_000_000;
    client.watch(5_000_000);
    const [a, b, c] = reports().map(offset);
    expect(b! - a!).toBeCloseTo(0, 3);
    expect(c! - b!).toBeCloseTo(3.4, 2);
  });

  it("pauses and plays again with a new key frame and a new RTP-Info, in the same sequence", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(500_000);
    expect(client.request("PAUSE", `${URL}/`).status).toBe(200);
    const before = client.rtp().length;
    client.watch(1_000_000);
    expect(client.rtp()).toHaveLength(before);
    const play = client.request("PLAY", `${URL}/`);
    client.watch(200_000);
    const next = client.rtp()[before]!;
    expect(play.headers.get("rtp-info")).toContain(`seq=${next.sequence};rtptime=${next.timestamp}`);
    expect(nalTypeOf(next.payload)).toBe(24);
  });

  it("ends with TEARDOWN, after which nothing more is sent and the connection takes a new SETUP", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(300_000);
    expect(client.request("TEARDOWN", `${URL}/`).status).toBe(200);
    const before = client.rtp().length;
    client.watch(1_000_000);
    expect(client.rtp()).toHaveLength(before);
    client.session = "";
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(200);
  });

  it("takes RTCP between and inside requests without disturbing them", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    const first = client.rtp()[0]!;
    const report = interleaved(1, receiverReport({ ssrc: first.ssrc, highest: first.sequence + 99, lost: 50 }));
    client.raw(report);
    client.send("OPTIONS", URL);
    client.raw(report);
    expect(client.reply().status).toBe(200);
    const [viewer] = JSON.parse(world.server.status()).clients;
    expect(viewer.loss.fraction).toBe(0.5);
  });

  it("gives a reader that stops reading nothing but whole frames again, from the next key frame", () => {
    const world = startServer();
    const client = new RtspClient(world);
    const good = new RtspClient(world);
    client.play("/live/back");
    good.play("/live/back");
    client.watch(500_000);
    client.peer.window = 700;
    client.watch(8_000_000);
    client.peer.open();
    client.watch(3_000_000);
    good.watch(0);
    const packets = client.rtp();
    const gap = packets.findIndex((each, i) => i > 0 && each.sequence !== (packets[i - 1]!.sequence + 1) % 65536);
    expect(gap).toBeGreaterThan(0);
    expect(packets[gap - 1]!.marker).toBe(true);
    expect(nalTypeOf(packets[gap]!.payload)).toBe(24);
    const others = good.rtp();
    for (let i = 1; i < others.length; i++) expect(others[i]!.sequence).toBe((others[i - 1]!.sequence + 1) % 65536);
    const figures = JSON.parse(world.server.status()).clients;
    expect(figures[0].skippedFrames).toBeGreaterThan(0);
    expect(figures[1].skippedFrames).toBe(0);
  });

  it("closes a reader that takes nothing for half a minute, and frees everything of it", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.peer.window = 0;
    client.watch(29_000_000);
    expect(client.peer.state).toBe("open");
    client.watch(5_000_000);
    expect(client.peer.state).not.toBe("open");
    expect(world.server.sessions.size).toBe(0);
    expect(world.server.viewers.count).toBe(0);
  });

  it("renumbers channels that the connection has given away, and serves four pairs of a stream as asked", () => {
    const world = startServer();
    const pairs = ["2-3", "4-5", "6-7", "8-9", "10-11"].map((pair) => {
      const client = new RtspClient(world);
      const reply = client.request("SETUP", `${URL}/trackID=0`, { Transport: `RTP/AVP/TCP;interleaved=${pair}` });
      return /interleaved=(\d+-\d+)/.exec(reply.headers.get("transport")!)![1];
    });
    expect(pairs).toEqual(["2-3", "4-5", "6-7", "8-9", "2-3"]);
    const two = new RtspClient(world);
    two.request("SETUP", `${URL}/trackID=0`, { Transport: "RTP/AVP/TCP;interleaved=2-3" });
    two.session = "";
    const front = two.request("SETUP", `rtsp://127.0.0.1/live/front/trackID=0`, {
      Transport: "RTP/AVP/TCP;interleaved=2-3",
    });
    expect(front.headers.get("transport")).toContain("interleaved=0-1");
  });
});

describe("a session over UDP", () => {
  const UDP = "RTP/AVP;unicast;client_port=5000-5001";

  it("sends RTP and RTCP from the ports it told to the ports it was told", () => {
    const world = startServer();
    const client = new RtspClient(world, "10.0.0.9");
    const url = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
    client.expect(200, client.request("DESCRIBE", url));
    const setup = client.request("SETUP", `${url}/trackID=0`, { Transport: UDP });
    const ports = /client_port=5000-5001;server_port=(\d+)-(\d+)/.exec(setup.headers.get("transport")!)!;
    expect(Number(ports[1]) % 2).toBe(0);
    expect(Number(ports[2])).toBe(Number(ports[1]) + 1);
    expect(world.host.takeDatagrams()).toHaveLength(0);
    const play = client.request("PLAY", `${url}/`);
    client.watch(200_000);
    const rtp = world.host.takeDatagrams(5000).map(({ bytes, to }) => ({ to, ...rtpOf(bytes) }));
    expect(rtp[0]!.to).toEqual({ address: "10.0.0.9", port: 5000 });
    expect(play.headers.get("rtp-info")).toContain(`seq=${rtp[0]!.sequence};rtptime=${rtp[0]!.timestamp}`);
    for (let i = 1; i < rtp.length; i++) expect(rtp[i]!.sequence).toBe((rtp[i - 1]!.sequence + 1) % 65536);
    expect(world.host.takeDatagrams(5001)).toHaveLength(1);
  });

  it("is kept alive by RTCP alone, and expires without it", () => {
    const world = startServer();
    const client = new RtspClient(world, "10.0.0.9");
    client.play("/live/back", UDP);
    expect(world.server.sessions.size).toBe(1);
    const rtcpPort = world.host.called("udpOpen").map((call) => JSON.parse(call.args[0] as string).port as number)[1]!;
    const receiverReport = new Uint8Array([0x80, 201, 0, 1, 1, 2, 3, 4]);
    client.peer.drop();
    for (let i = 0; i < 5; i++) {
      world.host.advance(world.core, 40_000_000);
      world.host.datagram(rtcpPort, { address: "10.0.0.9", port: 5001 }, receiverReport);
    }
    expect(world.server.sessions.size).toBe(1);
    world.host.advance(world.core, 65_000_000);
    expect(world.server.sessions.size).toBe(0);
  });

  it("ends when the client's RTP port is closed, but not for its RTCP port", () => {
    const world = startServer();
    const client = new RtspClient(world, "10.0.0.9");
    client.play("/live/back", UDP);
    const [rtp, rtcp] = world.host.called("udpOpen").map((call) => call.result as number);
    world.host.push({ type: "refused", handle: rtcp! });
    world.host.settle(world.core);
    expect(world.server.sessions.size).toBe(1);
    world.host.push({ type: "refused", handle: rtp! });
    world.host.settle(world.core);
    expect(world.server.sessions.size).toBe(0);
  });

  it("tries other ports when a pair is taken, and answers 503 when none is free", () => {
    const world = startServer();
    const client = new RtspClient(world);
    world.host.fail("udpOpen", -6, 3);
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: UDP }).status).toBe(200);
    client.session = "";
    const other = new RtspClient(world);
    world.host.fail("udpOpen", -6, 100);
    expect(other.request("SETUP", `${URL}/trackID=0`, { Transport: UDP }).status).toBe(503);
    expect(other.request("OPTIONS", URL).status).toBe(200);
  });

  it("is forgotten when the client sets up anew over TCP on the same connection, as ffmpeg does without packets", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back", UDP);
    expect(client.request("PAUSE", `${URL}/`).status).toBe(200);
    client.session = "";
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(200);
    expect(client.request("PLAY", `${URL}/`).status).toBe(200);
    expect(world.server.sessions.size).toBe(1);
    client.watch(300_000);
    expect(client.rtp().length).toBeGreaterThan(0);
  });
});

describe("what RTSP refuses", () => {
  const cases: [number, string, string, Record<string, string>][] = [
    [404, "DESCRIBE", "rtsp://127.0.0.1/live/nothing", {}],
    [404, "SETUP", `${URL}/trackID=7`, { Transport: TCP }],
    [400, "SETUP", `${URL}/trackID=0`, {}],
    [461, "SETUP", `${URL}/trackID=0`, { Transport: "RTP/AVP;multicast;port=5000-5001" }],
    [461, "SETUP", `${URL}/trackID=0`, { Transport: "RTP/SAVP;unicast;client_port=5000-5001" }],
    [454, "PLAY", `${URL}/`, { Session: "0123456789" }],
    [454, "PLAY", `${URL}/`, {}],
    [454, "GET_PARAMETER", URL, { Session: "0123456789" }],
    [405, "ANNOUNCE", URL, {}],
    [405, "SET_PARAMETER", URL, {}],
    [501, "BREW", URL, {}],
    [551, "DESCRIBE", URL, { Require: "www.onvif.org/ver20/backchannel" }],
    [406, "DESCRIBE", URL, { Accept: "application/json" }],
    [400, "DESCRIBE", "rtsp://127.0.0.1/live/../back", {}],
  ];
  it.each(cases)("answers %i to %s %s %o, and serves the next request", (status, method, url, headers) => {
    const world = startServer();
    const client = new RtspClient(world);
    expect(client.request(method, url, headers).status).toBe(status);
    expect(client.request("OPTIONS", URL).status).toBe(200);
  });

  it("answers 400 to a request without CSeq, and 505 to another version", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.raw(`OPTIONS ${URL} RTSP/1.0\r\n\r\n`);
    expect(client.reply().status).toBe(400);
    client.raw(`OPTIONS ${URL} RTSP/2.0\r\nCSeq: 9\r\n\r\n`);
    expect(client.reply().status).toBe(505);
  });

  it("answers 455 to SETUP while playing, and 459 to SETUP of another stream in the session", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(455);
    expect(client.request("SETUP", "rtsp://127.0.0.1/live/front/trackID=0", { Transport: TCP }).status).toBe(459);
  });

  it("knows a session only at the address that set it up", () => {
    const world = startServer();
    const client = new RtspClient(world, "10.0.0.1");
    client.play("/live/back");
    const thief = new RtspClient(world, "10.0.0.2");
    thief.session = client.session;
    expect(thief.request("TEARDOWN", `${URL}/`).status).toBe(454);
    const sameHost = new RtspClient(world, "10.0.0.1");
    sameHost.session = client.session;
    expect(sameHost.request("TEARDOWN", `${URL}/`).status).toBe(200);
  });

  it("answers 453 past the most clients, counting sessions and not connections", () => {
    const world = startServer({ limits: { clients: 2 } });
    const clients = [1, 2, 3].map(() => new RtspClient(world));
    const statuses = clients.map((client) => client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status);
    expect(statuses).toEqual([200, 200, 453]);
    clients[0]!.peer.drop();
    world.host.settle(world.core);
    expect(clients[2]!.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(200);
  });

  it("cuts a connection that says nothing valid, but not one whose DESCRIBE takes its time before PLAY", () => {
    const world = startServer({ auth: { enabled: true }, users: [{ name: "me", password: "secret" }] });
    const scanner = new RtspClient(world);
    scanner.watch(12_000_000);
    expect(scanner.peer.state).not.toBe("open");
    const open = startServer();
    const slow = new RtspClient(open);
    slow.expect(200, slow.request("DESCRIBE", URL));
    slow.watch(20_000_000);
    expect(slow.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(200);
  });

  it("closes after input that can't be followed, and serves the next client", () => {
    const world = startServer();
    const bad = new RtspClient(world);
    bad.raw(`OPTIONS rtsp://h/${"x".repeat(5000)} RTSP/1.0\r\n\r\n`);
    expect(bad.reply().status).toBeGreaterThanOrEqual(400);
    const good = new RtspClient(world);
    expect(good.request("OPTIONS", URL).status).toBe(200);
  });
});

describe("encoders on demand", () => {
  it("opens one encoder for all viewers of a profile, and closes it a linger after the last", () => {
    const world = startServer();
    const clients = Array.from({ length: 12 }, () => new RtspClient(world));
    for (const client of clients) client.play("/live/back");
    expect(world.host.encodersOf("back")).toHaveLength(1);
    for (const client of clients) client.expect(200, client.request("TEARDOWN", `${URL}/`));
    clients[0]!.watch(9_000_000);
    expect(world.host.encodersOf("back")).toHaveLength(1);
    clients[0]!.watch(2_000_000);
    expect(world.host.encodersOf("back")).toHaveLength(0);
  });

  it("serves the second camera, and H.264 after MJPEG, while the first streams", () => {
    const world = startServer();
    const streams = ["/live/back/mjpeg", "/live/back", "/live/front", "/live/front/mjpeg"].map((path) => {
      const client = new RtspClient(world);
      client.play(path);
      return client;
    });
    streams[0]!.watch(500_000);
    for (const client of streams) expect(client.rtp().length).toBeGreaterThan(5);
    expect(world.host.encodersOf("back")).toHaveLength(2);
    expect(world.host.encodersOf("front")).toHaveLength(2);
  });

  it("coalesces the key frame requests of many viewers who come at once", () => {
    const world = startServer();
    const first = new RtspClient(world);
    first.play("/live/back");
    first.watch(1_100_000);
    const before = world.host.encodersOf("back")[0]!.keyRequests;
    const url = `${URL}/trackID=0`;
    const more = Array.from({ length: 10 }, () => new RtspClient(world));
    for (const client of more) client.expect(200, client.request("SETUP", url, { Transport: TCP }));
    for (const client of more) client.send("PLAY", `${URL}/`);
    for (const client of more) expect(client.reply().status).toBe(200);
    expect(world.host.encodersOf("back")[0]!.keyRequests - before).toBeLessThanOrEqual(2);
  });

  it("answers PLAY without RTP-Info when no key frame comes in half a second, and starts with the next one", () => {
    const host = new FakeHost();
    const world = startServer({}, host);
    const client = new RtspClient(world);
    client.expect(200, client.request("DESCRIBE", URL));
    client.expect(200, client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }));
    host.encoding = false;
    const play = client.request("PLAY", `${URL}/`);
    expect(play.status).toBe(200);
    expect(play.headers.has("rtp-info")).toBe(false);
    expect(client.rtp()).toHaveLength(0);
  });

  it("answers DESCRIBE with 503, Retry-After and the camera's state after three seconds without parameter sets", () => {
    const host = new FakeHost();
    host.encoding = false;
    const world = startServer({}, host);
    const client = new RtspClient(world);
    client.send("DESCRIBE", URL);
    client.watch(2_900_000);
    expect(client.silent).toBe(true);
    const reply = client.reply(500_000);
    expect(reply.status).toBe(503);
    expect(reply.headers.get("retry-after")).toBe("5");
    expect(reply.headers.get("x-camera-state")).toBe("ok");
  });

  it("answers 503 at once for a camera that is switched off, and says how to switch it on", () => {
    const world = startServer({ cameras: { back: { enabled: false } } });
    const client = new RtspClient(world);
    const reply = client.request("DESCRIBE", URL);
    expect(reply.status).toBe(503);
    expect(reply.headers.get("x-camera-state")).toMatch(/^disabled/);
    expect(reply.body).toContain("fix: set cameras.back.enabled to true");
  });

  it("reopens a failed encoder after a growing pause, and viewers go on in the same sequence", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(300_000);
    const { handle } = world.host.encodersOf("back")[0]!;
    world.host.push({ type: "encoder", handle, state: "failed", reason: "camera evicted" });
    world.host.settle(world.core);
    const status = JSON.parse(world.server.status());
    expect(status.profiles.find((each: { path: string }) => each.path === "/live/back").state).toBe("failed");
    client.watch(2_500_000);
    const packets = client.rtp();
    for (let i = 1; i < packets.length; i++) expect(packets[i]!.sequence).toBe((packets[i - 1]!.sequence + 1) % 65536);
    expect(world.host.encodersOf("back")[0]!.handle).not.toBe(handle);
    const pauses = packets.map((each, i) => (i === 0 ? 0 : each.timestamp - packets[i - 1]!.timestamp));
    expect(Math.max(...pauses)).toBeGreaterThan(80_000);
  });
});

describe("the end", () => {
  it("says BYE to every session, closes what is open and exits with 0", () => {
    const world = startServer();
    const tcp = new RtspClient(world);
    tcp.play("/live/back");
    const udp = new RtspClient(world);
    udp.play("/live/back", "RTP/AVP;unicast;client_port=5000-5001");
    world.host.takeDatagrams();
    world.host.push({ type: "stop" });
    world.host.turn(world.core);
    expect(world.host.exited).toEqual({ code: 0, message: "" });
    const byes = world.host.takeDatagrams(5001).map(({ bytes }) => [...bytes]);
    expect(byes).toHaveLength(1);
    expect(byes[0]!.indexOf(203)).toBeGreaterThan(0);
    tcp.rtp();
    const last = tcp.packets.filter((each) => each.channel === 1).at(-1)!;
    expect([...last.packet].indexOf(203)).toBeGreaterThan(0);
    expect(tcp.peer.state).toBe("flushed");
    expect(world.host.encodersOf("back")).toHaveLength(0);
  });

  it("leaves no handle and no timer behind when all clients have gone", () => {
    const world = startServer();
    const rest = { handles: world.server.runtime.ownedHandles, timers: world.server.runtime.timers.size };
    for (let round = 0; round < 3; round++) {
      const clients = [TCP, "RTP/AVP;unicast;client_port=5000-5001"].flatMap((transport) =>
        ["/live/back", "/live/front/mjpeg"].map((path) => {
          const client = new RtspClient(world);
          client.play(path, transport);
          return client;
        }),
      );
      world.host.advance(world.core, 1_000_000);
      for (const client of clients) client.send("TEARDOWN", `rtsp://h${"/live/back"}`);
      for (const client of clients) client.peer.drop();
      world.host.advance(world.core, 80_000_000);
    }
    expect(world.server.runtime.ownedHandles).toBe(rest.handles);
    expect(world.server.runtime.timers.size).toBe(rest.timers);
    expect(world.server.admission.connections).toBe(0);
  });
});
