/**
 * Dialogs that clients hold with an RTSP server, request by request (RFC 2326, and what real clients make of it).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isKeyPicture, RtpTrack } from "./rtp-track.ts";
import { controlUrl, field, Reader, RtspClient, UdpPair } from "./rtsp-client.ts";
import { Server, VIEWER, WRONG } from "./server.ts";
import { bounded } from "./wait.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

/** Opens a connection for a test's body and closes it afterwards. */
function connected(body: (client: RtspClient, url: string) => Promise<void>): () => Promise<void> {
  return () =>
    server.explain(async () => {
      const client = await RtspClient.open(server);
      try {
        await body(client, server.rtspUrl("/live/back"));
      } finally {
        client.close();
      }
    });
}

const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";

/** Waits for pictures on interleaved channel 0. */
async function picturesOf(client: RtspClient, count: number): Promise<RtpTrack> {
  const track = new RtpTrack();
  client.onFrame = (channel, data, atMs) => {
    if (channel === 0) track.rtp(data, atMs);
  };
  await bounded(5_000, `picture ${count}`, track.picturesReach(count));
  return track;
}

describe("a session", () => {
  test(
    "goes through OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, PLAY and TEARDOWN on one connection",
    connected(async (client, url) => {
      const options = await client.request("OPTIONS", url);
      expect(options.status).toBe(200);
      expect(field(options, "Public")?.split(", ").sort()).toEqual(
        ["DESCRIBE", "GET_PARAMETER", "OPTIONS", "PAUSE", "PLAY", "SETUP", "TEARDOWN"].sort(),
      );
      const described = await client.request("DESCRIBE", url);
      expect(field(described, "Content-Type")).toMatch(/^application\/sdp/);
      expect(field(described, "Content-Base")).toBe(`${url}/`);
      expect(described.body).toMatch(/^a=fmtp:\d+ .*sprop-parameter-sets=[\w+/=]+,[\w+/=]+/m);
      const set = await client.request("SETUP", controlUrl(described), { Transport: TCP });
      expect(field(set, "Session")).toMatch(/^\w{16,};timeout=60$/);
      client.session = field(set, "Session")?.split(";")[0];

      const first = await client.request("PLAY", url, { Range: "npt=0.000-" });
      expect(first.status).toBe(200);
      const before = await picturesOf(client, 5);
      expect((await client.request("PAUSE", url)).status).toBe(200);
      const framesAtPause = client.frames;
      // An exchange later nothing more has come: the stream stands still.
      expect((await client.request("GET_PARAMETER", url)).status).toBe(200);
      expect(client.frames).toBe(framesAtPause);

      const playing = client.request("PLAY", url);
      const after = await picturesOf(client, 3);
      const second = await playing;
      expect(second.status).toBe(200);
      expect(field(second, "RTP-Info")).toContain(`seq=${after.first?.sequence};rtptime=${after.first?.rtpTime}`);
      expect(isKeyPicture(after.pictures[0]!)).toBe(true);
      expect(after.ssrc).toBe(before.ssrc);
      expect((await client.request("TEARDOWN", url)).status).toBe(200);
      client.session = undefined;
      expect((await client.request("OPTIONS", url)).status).toBe(200);
    }),
  );

  test(
    "is answered when every byte comes alone",
    connected(async (client, url) => {
      const request = `OPTIONS ${url} RTSP/1.0\r\nCSeq: 7\r\n\r\n`;
      for (const byte of request) {
        client.write(byte);
        await new Promise((done) => setImmediate(done));
      }
      expect(field(await client.response(), "CSeq")).toBe("7");
    }),
  );

  test(
    "is answered in order when requests come together, interleaved RTCP between them",
    connected(async (client, url) => {
      client.write(`OPTIONS ${url} RTSP/1.0\r\nCSeq: 1\r\n\r\n`);
      client.writeFrame(1, Buffer.alloc(8));
      client.writeFrame(77, Buffer.from("nobody's channel"));
      client.write(`GET_PARAMETER ${url} RTSP/1.0\r\nCSeq: 2\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n`);
      const answers = [await client.response(), await client.response(), await client.response()];
      expect(answers.map((answer) => [field(answer, "CSeq"), answer.status])).toEqual([
        ["1", 200],
        ["2", 401],
        ["3", 200],
      ]);
    }),
  );

  test(
    "of ffmpeg's, when UDP brings nothing: PAUSE, another SETUP over TCP on the same connection, and pictures",
    connected(async (client, url) => {
      const described = await client.request("DESCRIBE", url);
      const control = controlUrl(described);
      const udp = await UdpPair.open();
      const wish = `RTP/AVP/UDP;unicast;client_port=${udp.port}-${udp.port + 1}`;
      const first = await client.request("SETUP", control, { Transport: wish });
      expect(first.status).toBe(200);
      client.session = field(first, "Session")?.split(";")[0];
      const abandoned = client.session;
      expect((await client.request("PLAY", `${url}/`, { Range: "npt=0.000-" })).status).toBe(200);
      expect((await client.request("PAUSE", `${url}/`)).status).toBe(200);
      client.session = undefined;
      const second = await client.request("SETUP", control, { Transport: TCP });
      expect(second.status).toBe(200);
      client.session = field(second, "Session")?.split(";")[0];
      expect(client.session).not.toBe(abandoned);
      expect((await client.request("PLAY", `${url}/`, { Range: "npt=0.000-" })).status).toBe(200);
      const track = await picturesOf(client, 10);
      expect(track.lost).toBe(0);
      expect((await server.status()).clients).toHaveLength(1);
      udp.close();
    }),
  );

  test("ends with the viewer's connection, also in the middle of a picture", () =>
    server.explain(async () => {
      const before = (await server.status()).clients.length;
      for (const transport of ["tcp", "udp"] as const) {
        const reader = await Reader.play(server, "/live/front", transport);
        await reader.pictures(2, 5_000);
        reader.hangUp();
      }
      const gone = async (): Promise<boolean> => (await server.status()).clients.length <= before;
      const endMs = performance.now() + 10_000;
      while (!(await gone())) expect(performance.now(), "viewers that hung up are still listed").toBeLessThan(endMs);
    }));
});

describe("URLs and transports as clients write them", () => {
  const forms: readonly (readonly [string, (url: string) => string])[] = [
    ["the track behind the path", (url) => `${url}/trackID=0`],
    ["the track behind a query (ffmpeg)", (url) => `${url}?a=b/trackID=0`],
    ["the track before a query (GStreamer)", (url) => `${url}/trackID=0?a=b`],
    ["no track and a slash at the end", (url) => `${url}/`],
    ["another case", (url) => `${url.replace("/live/back", "/LIVE/Back")}/trackID=0`],
    ["credentials in the line (libcurl)", (url) => `${url.replace("rtsp://", "rtsp://viewer:x@")}/trackID=0`],
    ["a path without a host", () => "/live/back/trackID=0"],
  ];
  for (const [what, form] of forms) {
    test(
      `SETUP takes ${what}`,
      connected(async (client, url) => {
        await client.request("DESCRIBE", url);
        expect((await client.request("SETUP", form(url), { Transport: TCP })).status).toBe(200);
      }),
    );
  }

  const transports: readonly (readonly [string, RegExp])[] = [
    ["RTP/AVP/TCP;unicast;interleaved=0-1", /^RTP\/AVP\/TCP;unicast;interleaved=0-1;ssrc=[0-9A-F]{8}/],
    ["RTP/AVP/TCP", /interleaved=\d+-\d+/],
    ["RTP/AVP/TCP;interleaved=4-5;mode=play", /interleaved=4-5/],
    ['RTP/AVP/TCP;unicast;mode="PLAY"', /interleaved=\d+-\d+/],
    ["RTP/AVP;unicast;client_port=50000-50001", /client_port=50000-50001;server_port=\d+-\d+;ssrc=[0-9A-F]{8}/],
    ["RTP/AVP/UDP;unicast;client_port=50000-50001", /client_port=50000-50001;server_port=\d+-\d+/],
    ["RTP/AVP;client_port=50000", /client_port=50000-50001/],
    [
      "RTP/SAVP;unicast;client_port=50000-50001,RTP/AVP/TCP;unicast;interleaved=0-1",
      /^RTP\/AVP\/TCP;.*interleaved=0-1/,
    ],
  ];
  for (const [wish, answer] of transports) {
    test(
      `SETUP takes Transport: ${wish}`,
      connected(async (client, url) => {
        const set = await client.request("SETUP", `${url}/trackID=0`, { Transport: wish });
        expect(set.status).toBe(200);
        const transport = field(set, "Transport") ?? "";
        expect(transport).toMatch(answer);
        // ffmpeg wants exactly one transport, and sends its punch packets to a `source`.
        expect(transport).not.toContain(",");
        expect(transport).not.toMatch(/source=|destination=/);
      }),
    );
  }

  test(
    "an echoed timeout in Session is no part of its id",
    connected(async (client, url) => {
      const set = await client.request("SETUP", `${url}/trackID=0`, { Transport: TCP });
      client.session = field(set, "Session");
      expect(client.session).toContain(";timeout=");
      expect((await client.request("PLAY", url)).status).toBe(200);
    }),
  );
});

describe("logins over RTSP", () => {
  test(
    "OPTIONS needs none; everything else does, and offers Digest MD5 before Basic, a line each",
    connected(async (client, url) => {
      client.login = undefined;
      expect((await client.request("OPTIONS", url)).status).toBe(200);
      for (const method of ["DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN"]) {
        const refused = await client.request(method, url, { Transport: TCP });
        expect(refused.status).toBe(401);
        const offers = refused.headers.get("www-authenticate") ?? [];
        expect(offers.map((offer) => offer.split(" ")[0])).toEqual(["Digest", "Basic"]);
        expect(offers[0]).not.toMatch(/SHA-256/i);
      }
    }),
  );

  test("the wrong password gets 401 and no picture; Basic with the right one is let in", () =>
    server.explain(async () => {
      const url = server.rtspUrl("/live/back");
      const stranger = await RtspClient.open(server, WRONG);
      expect((await stranger.request("DESCRIBE", url)).status).toBe(401);
      expect(stranger.frames).toBe(0);
      stranger.close();
      const friend = await RtspClient.open(server, null);
      const basic = `Basic ${Buffer.from(`${VIEWER.name}:${VIEWER.password}`).toString("base64")}`;
      expect((await friend.request("DESCRIBE", url, { Authorization: basic })).status).toBe(200);
      friend.close();
    }));

  test("a session's id is worth nothing on a connection from another address", () =>
    server.explain(async () => {
      const reader = await Reader.play(server, "/live/back", "tcp");
      const other = await RtspClient.open(server, VIEWER, "127.0.0.2");
      other.session = reader.client.session;
      expect((await other.request("TEARDOWN", reader.url)).status).toBe(454);
      await reader.pictures(reader.track.pictures.length + 3, 5_000);
      other.close();
      await reader.leave();
    }));
});
