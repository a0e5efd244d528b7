/**
 * What an earlier server of this kind got wrong, and what holds here instead. Each test drives whole sessions over the
 * wire; the finer ones stand beside the code that they test.
 */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import {
  HttpClient,
  interleaved,
  type Response,
  RTSP_PORT,
  RtspClient,
  receiverReport,
  rtpOf,
  startServer,
} from "./testing.ts";

const SECOND = 1_000_000;
const url = (path: string): string => `rtsp://127.0.0.1:${RTSP_PORT}${path}`;
const UDP = "RTP/AVP;unicast;client_port=5000-5001";

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** DESCRIBE with Digest, as ffmpeg does it: asked, refused, asked again. */
function describeWithDigest(client: RtspClient, name: string, password: string): Response {
  const target = url("/live/back");
  const refused = client.expect(401, client.request("DESCRIBE", target));
  const [, realm, nonce] = /realm="([^"]*)", nonce="([^"]*)"/.exec(refused.headers.get("www-authenticate")!)!;
  const response = md5(`${md5(`${name}:${realm}:${password}`)}:${nonce}:${md5(`DESCRIBE:${target}`)}`);
  const Authorization = `Digest username="${name}", realm="${realm}", nonce="${nonce}", uri="${target}", response="${response}"`;
  return client.request("DESCRIBE", target, { Authorization });
}

/** A receiver report of a client over TCP that claims to have lost `share` of the packets so far, less than all. */
function reportOf(client: RtspClient, share: number): Uint8Array {
  const seen = client.rtp();
  const { ssrc, sequence } = seen[0]!;
  const highest = sequence + ((seen.at(-1)!.sequence - sequence + 65_536) % 65_536);
  return interleaved(1, receiverReport({ ssrc, highest, lost: Math.round(share * (highest - sequence + 1)) }));
}

describe("every viewer gets every frame", () => {
  it.each(["/live/back", "/live/back/mjpeg"])(
    "of %s, over TCP, UDP and HTTP alike: readers share the encoder, never its frames",
    (path) => {
      const world = startServer();
      const tcp = [1, 2, 3].map(() => new RtspClient(world));
      for (const client of tcp) client.play(path);
      const udp = new RtspClient(world, "10.0.0.9");
      udp.play(path, UDP);
      const http = [1, 2].map(() => new HttpClient(world));
      for (const client of http) client.get("/back/");
      for (const client of http) client.firstBoundary();
      world.host.advance(world.core, 200_000);
      const seen = tcp.map((client) => client.rtp().length);
      world.host.takeDatagrams();
      for (const client of http) client.parts();
      world.host.advance(world.core, 2 * SECOND);

      const packets = tcp.map((client, i) => client.rtp().slice(seen[i]));
      const frames = packets.map((each) => new Set(each.map(({ timestamp }) => timestamp)).size);
      expect(frames).toEqual([50, 50, 50]);
      const numbers = packets.map((each) => each.map(({ sequence }) => sequence));
      expect(numbers[1]).toEqual(numbers[0]);
      expect(numbers[2]).toEqual(numbers[0]);
      expect(world.host.takeDatagrams(5000).map(({ bytes }) => rtpOf(bytes).sequence)).toEqual(numbers[0]);
      for (const client of http) expect(client.parts()).toHaveLength(50);
      expect(world.host.encodersOf("back")).toHaveLength(path === "/live/back" ? 2 : 1);
    },
  );
});

describe("a Digest login does not depend on the clock or its zone", () => {
  const zones = ["UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Kiritimati"];
  it.each(zones)("and works at once and after 59 minutes in %s", (zone) => {
    const before = process.env.TZ;
    process.env.TZ = zone;
    try {
      const world = startServer({ auth: { enabled: true }, users: [{ name: "me", password: "secret" }] });
      expect(describeWithDigest(new RtspClient(world), "me", "secret").status).toBe(200);
      // The wall clock steps a day back, as a phone's does when it first finds the network's time.
      world.host.wallOffsetUs -= 86_400 * SECOND;
      expect(describeWithDigest(new RtspClient(world), "me", "secret").status).toBe(200);
      world.host.wallOffsetUs += 30 * 86_400 * SECOND;
      world.host.advance(world.core, 59 * 60 * SECOND);
      expect(describeWithDigest(new RtspClient(world), "me", "secret").status).toBe(200);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });
});

describe("RTCP goes both ways, over both transports", () => {
  it("as sender reports with the counts of what was sent, soon after PLAY and every five seconds", () => {
    const world = startServer();
    const tcp = new RtspClient(world);
    tcp.play("/live/back");
    const udp = new RtspClient(world, "10.0.0.9");
    udp.play("/live/back", UDP);
    world.host.advance(world.core, 11 * SECOND);
    tcp.rtp();
    const reports = tcp.packets.filter(({ channel }) => channel === 1).map(({ packet }) => new DataView(packet.buffer));
    expect(reports).toHaveLength(3);
    expect(world.host.takeDatagrams(5001)).toHaveLength(3);
    const [, second, third] = reports;
    const packetsBetween = third!.getUint32(20) - second!.getUint32(20);
    const { ssrc } = tcp.rtp()[0]!;
    expect(second!.getUint32(4)).toBe(ssrc);
    // Five seconds at 25 frames, of four packets at least and five with parameter sets.
    expect(packetsBetween).toBeGreaterThan(5 * 25 * 3);
    const ticks = third!.getUint32(16) - second!.getUint32(16);
    expect(Math.abs(((ticks + 2 ** 32) % 2 ** 32) - 5 * 90_000)).toBeLessThan(90_000 / 20);
  });

  it("as receiver reports that are read from the interleaved channel, wherever they stand between requests", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(SECOND);
    const report = reportOf(client, 0.25);
    const packets = client.rtp().length;
    const request = new TextEncoder().encode(
      `GET_PARAMETER ${url("/live/back")} RTSP/1.0\r\nCSeq: 90\r\nSession: ${client.session}\r\n\r\n`,
    );
    const mixed = Uint8Array.of(...report, ...request, ...report, ...report, ...request, ...report);
    // A line end within binary data, and a cut in every kind of place.
    for (let at = 0; at < mixed.length; at += 23) client.raw(mixed.slice(at, at + 23));
    expect([client.reply(0).status, client.reply(0).status]).toEqual([200, 200]);
    expect(JSON.parse(world.server.status()).clients[0].loss).toMatchObject({ packets: Math.round(packets / 4) });
    client.watch(SECOND);
    expect(client.rtp().length).toBeGreaterThan(140);
  });
});

describe("a client may take its time between DESCRIBE and PLAY", () => {
  it("as long as its session lives: nobody is cut for not playing yet", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.expect(200, client.request("DESCRIBE", url("/live/back")));
    client.watch(30 * SECOND);
    client.expect(200, client.request("SETUP", url("/live/back/trackID=0"), { Transport: UDP }));
    client.watch(55 * SECOND);
    expect(client.peer.state).toBe("open");
    client.expect(200, client.request("PLAY", url("/live/back")));
    client.watch(SECOND);
    expect(world.host.takeDatagrams(5000).length).toBeGreaterThan(70);
  });
});

describe("whatever is asked for while something else plays starts", () => {
  it("in every order of cameras and codecs, and again after all have left", () => {
    const streams = ["/live/back/mjpeg", "/live/front", "/live/back", "/live/front/mjpeg"];
    for (const order of [streams, [...streams].reverse()]) {
      const world = startServer();
      for (let round = 0; round < 2; round++) {
        const clients = order.map((path) => {
          const client = new RtspClient(world);
          client.play(path);
          client.watch(400_000);
          return client;
        });
        for (const client of clients) expect(client.rtp().length).toBeGreaterThan(8);
        expect(world.host.openHandles.encoders).toBe(4);
        for (const client of clients) client.peer.drop();
        world.host.advance(world.core, 12 * SECOND);
        expect(world.host.openHandles.encoders).toBe(0);
      }
    }
  });
});

describe("there is no login that everybody knows", () => {
  const known = ["admin:password123", "admin:admin", "admin:", ":", "porthole:porthole"];
  const configs: [string, Record<string, unknown>][] = [
    ["beside configured users", { users: [{ name: "me", password: "secret" }] }],
    ["where there are none", {}],
  ];
  it.each(configs)("%s, over RTSP or HTTP", (_, config) => {
    const world = startServer({ auth: { enabled: true }, ...config });
    for (const [i, login] of known.entries()) {
      const headers = { Authorization: `Basic ${Buffer.from(login).toString("base64")}` };
      // Each from an address of its own, as guesses are slowed.
      const rtsp = new RtspClient(world, `10.0.1.${i}`).request("DESCRIBE", url("/live/back"), headers);
      expect([login, rtsp.status]).toEqual([login, 401]);
      expect([login, new HttpClient(world, `10.0.2.${i}`).get("/", headers).status]).toEqual([login, 401]);
    }
    expect(JSON.parse(world.server.status()).clients).toEqual([]);
  });

  it("as the generated one is another on every device", () => {
    const passwords = [0, 3, 5].map((used) => {
      const host = new FakeHost();
      host.random(1 + used);
      startServer({ auth: { enabled: true } }, host);
      return host.login!.password;
    });
    expect(new Set(passwords).size).toBe(3);
  });
});

describe("a description leads back to the stream that it describes", () => {
  const paths = ["/live/back", "/live/front", "/live/back/mjpeg", "/live/front/mjpeg"];
  it.each(paths)("for %s: its control URL sets up this camera and codec, and RTP-Info is what comes", (path) => {
    const world = startServer();
    const client = new RtspClient(world);
    const sdp = client.expect(200, client.request("DESCRIBE", url(path)));
    const control = /m=video[\s\S]*?a=control:(.*)\r\n/.exec(sdp.body)![1]!;
    // As a client does it (RFC 2326 appendix C.1.1).
    const track = sdp.headers.get("content-base")! + control;
    client.expect(200, client.request("SETUP", track, { Transport: "RTP/AVP/TCP;unicast;interleaved=0-1" }));
    const play = client.expect(200, client.request("PLAY", sdp.headers.get("content-base")!));
    client.watch(SECOND);
    const info = /^url=(.*);seq=(\d+);rtptime=(\d+)$/.exec(play.headers.get("rtp-info")!)!;
    expect(info[1]).toBe(track);
    expect(client.rtp()[0]).toMatchObject({ sequence: Number(info[2]), timestamp: Number(info[3]) });
    const [spec] = [...world.host.encoders.values()].map((encoder) => encoder.spec);
    expect(`${spec!.camera} ${spec!.codec}`).toBe(
      `${path.includes("front") ? "front" : "back"} ${path.includes("mjpeg") ? "jpeg" : "h264"}`,
    );
    expect(world.host.encoders.size).toBe(1);
    expect(sdp.body).toContain(path.includes("mjpeg") ? "m=video 0 RTP/AVP 26" : "m=video 0 RTP/AVP 96");
  });
});

describe("one viewer's network is no other viewer's", () => {
  it("and what one reports, good or bad, changes neither quality nor rate of the encoder that all share", () => {
    for (const path of ["/live/back", "/live/back/mjpeg"]) {
      const world = startServer();
      const [good, bad] = [new RtspClient(world), new RtspClient(world)];
      for (const client of [good, bad]) client.play(path);
      const spec = { ...world.host.encodersOf("back")[0]! };
      world.host.advance(world.core, SECOND);
      for (let i = 0; i < 20; i++) {
        good.raw(reportOf(good, 0));
        bad.raw(reportOf(bad, 0.5));
        world.host.advance(world.core, SECOND);
      }
      const encoder = world.host.encodersOf("back")[0]!;
      expect([encoder.bitrate, encoder.quality]).toEqual([spec.bitrate, spec.quality]);
      const seen = good.rtp();
      for (let i = 1; i < seen.length; i++) expect(seen[i]!.sequence).toBe((seen[i - 1]!.sequence + 1) % 65_536);
      const figures = JSON.parse(world.server.status()).clients;
      expect(figures.map((each: { loss: { fraction: number } }) => Math.round(each.loss.fraction * 10))).toEqual([
        0, 5,
      ]);
    }
  });
});
