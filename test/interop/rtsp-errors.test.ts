/**
 * Bad input on the RTSP port: the right status, the connection usable or closed as the protocol says, and the next client
 * served.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { field, Reader, RtspClient, UdpPair } from "./rtsp-client.ts";
import { Server } from "./server.ts";

const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";

let server: Server;
/** Watches all the time: whatever strangers send, it must not lose a packet. */
let witness: Reader;
beforeAll(async () => {
  server = await Server.start();
  witness = await Reader.play(server, "/live/front", "udp");
});
afterAll(async () => {
  await witness?.leave();
  await server?.stop();
});

async function expectNextClientServed(): Promise<void> {
  const next = await RtspClient.open(server);
  expect((await next.request("DESCRIBE", server.rtspUrl("/live/back"))).status).toBe(200);
  next.close();
}

/** A test with a connection of its own, which ends with a look at the next client. */
function refusing(title: string, body: (client: RtspClient, url: string) => Promise<void>): void {
  test(title, () =>
    server.explain(async () => {
      const client = await RtspClient.open(server);
      try {
        await body(client, server.rtspUrl("/live/back"));
      } finally {
        client.close();
      }
      await expectNextClientServed();
    }),
  );
}

async function expectUsable(client: RtspClient): Promise<void> {
  expect((await client.request("OPTIONS", "*")).status).toBe(200);
}

/** A client with a session over TCP that is ready to play. */
async function setUp(client: RtspClient, url: string): Promise<void> {
  const set = await client.request("SETUP", `${url}/trackID=0`, { Transport: TCP });
  expect(set.status).toBe(200);
  client.session = field(set, "Session")?.split(";")[0];
}

describe("a refused request leaves the connection usable", () => {
  for (const wish of [
    "RTP/AVP;multicast",
    "RTP/AVP",
    "RTP/SAVP;unicast;client_port=50000-50001",
    "RAW/RAW/UDP;unicast;client_port=50000-50001",
    "RTP/AVP/DCCP;unicast;client_port=50000-50001",
    "RTP/AVP/TCP;unicast;mode=record",
  ]) {
    refusing(`461 for Transport: ${wish}, and then TCP works`, async (client, url) => {
      expect((await client.request("SETUP", `${url}/trackID=0`, { Transport: wish })).status).toBe(461);
      await setUp(client, url);
    });
  }

  refusing("454 for a session that does not exist", async (client, url) => {
    for (const method of ["PLAY", "PAUSE", "TEARDOWN"]) {
      client.session = "0123456789abcdef0123456789abcdef";
      expect((await client.request(method, url)).status).toBe(454);
    }
    client.session = undefined;
    await expectUsable(client);
  });

  refusing("454 for a session after its TEARDOWN", async (client, url) => {
    await setUp(client, url);
    expect((await client.request("TEARDOWN", url)).status).toBe(200);
    expect((await client.request("PLAY", url)).status).toBe(454);
    client.session = undefined;
    await expectUsable(client);
  });

  refusing("455 for SETUP while the session plays, which plays on", async (client, url) => {
    await setUp(client, url);
    expect((await client.request("PLAY", url)).status).toBe(200);
    expect((await client.request("SETUP", `${url}/trackID=0`, { Transport: TCP })).status).toBe(455);
    const before = client.frames;
    await expectUsable(client);
    await new Promise<void>((done) => {
      client.onFrame = () => client.frames > before && done();
    });
  });

  refusing("459 for a second stream in one session", async (client, url) => {
    await setUp(client, url);
    const other = `${server.rtspUrl("/live/front")}/trackID=0`;
    const wish = "RTP/AVP/TCP;unicast;interleaved=2-3";
    expect((await client.request("SETUP", other, { Transport: wish })).status).toBe(459);
    expect((await client.request("PLAY", url)).status).toBe(200);
  });

  refusing("404 for paths and tracks that do not exist", async (client) => {
    for (const path of ["/", "/live", "/live/left", "/live/back/more", "/live/back/trackID=1"]) {
      expect((await client.request("DESCRIBE", server.rtspUrl(path))).status, path).toBe(404);
      expect((await client.request("SETUP", server.rtspUrl(path), { Transport: TCP })).status, path).toBe(404);
    }
    await expectUsable(client);
  });

  refusing("405 with Allow for methods that RTSP has and this server has not", async (client, url) => {
    for (const method of ["ANNOUNCE", "RECORD", "SET_PARAMETER", "REDIRECT"]) {
      const refused = await client.request(method, url);
      expect(refused.status, method).toBe(405);
      expect(field(refused, "Allow"), method).toContain("DESCRIBE");
    }
    await expectUsable(client);
  });

  refusing("501 for methods that nobody knows", async (client, url) => {
    for (const method of ["WATCH", "options", "GET"]) {
      expect((await client.request(method, url)).status, method).toBe(501);
    }
    await expectUsable(client);
  });

  refusing("400 without CSeq, 400 for SETUP without Transport", async (client, url) => {
    expect((await client.request("DESCRIBE", url, { CSeq: "" })).status).toBe(400);
    expect((await client.request("SETUP", `${url}/trackID=0`)).status).toBe(400);
    await expectUsable(client);
  });

  refusing("400 for path tricks", async (client) => {
    for (const path of ["/live/../live/back", "/live/%2e%2e/back", "/live%2fback", "/live/back%00"]) {
      expect([400, 404], path).toContain((await client.request("DESCRIBE", server.rtspUrl(path))).status);
    }
    await expectUsable(client);
  });

  refusing("406 when no SDP is wanted", async (client, url) => {
    expect((await client.request("DESCRIBE", url, { Accept: "text/html" })).status).toBe(406);
    await expectUsable(client);
  });

  refusing("551 with Unsupported for a feature that is required", async (client, url) => {
    const refused = await client.request("DESCRIBE", url, { Require: "www.onvif.org/ver20/backchannel" });
    expect(refused.status).toBe(551);
    expect(field(refused, "Unsupported")).toBe("www.onvif.org/ver20/backchannel");
    await expectUsable(client);
  });

  refusing("400 for a method or a number of headers past the limit", async (client) => {
    client.write(`${"O".repeat(200)} * RTSP/1.0\r\nCSeq: 1\r\n\r\n`);
    expect((await client.response()).status).toBe(400);
    client.write(`OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n${"X: y\r\n".repeat(400)}\r\n`);
    expect((await client.response()).status).toBe(400);
    await expectUsable(client);
  });

  refusing("505 for another version", async (client, url) => {
    client.write(`DESCRIBE ${url} RTSP/2.0\r\nCSeq: 41\r\n\r\n`);
    const refused = await client.response();
    expect([refused.status, field(refused, "CSeq")]).toEqual([505, "41"]);
    await expectUsable(client);
  });
});

describe("what can't be followed any further is answered and closed", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["a body past the limit", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999\r\n\r\n", 413],
    ["a length that is no number", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 5x\r\n\r\n", 400],
    ["a request line without a URI", "OPTIONS\r\nCSeq: 1\r\n\r\n", 400],
    ["a URL past the limit", `OPTIONS rtsp://h/${"x".repeat(5_000)} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 414],
    ["a header past the limit", `OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: ${"x".repeat(5_000)}\r\n\r\n`, 400],
    ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n\r\n", 400],
    ["HTTP on the RTSP port", "GET / HTTP/1.1\r\nHost: camera\r\n\r\n", 505],
  ];
  for (const [what, bytes, status] of cases) {
    refusing(`${what}: ${status}`, async (client) => {
      client.write(bytes);
      expect((await client.response()).status).toBe(status);
      await client.closed();
    });
  }

  refusing("a megabyte without a line's end is not read to its end", async (client) => {
    client.write("x".repeat(1 << 20));
    expect((await client.response()).status).toBeGreaterThanOrEqual(400);
    await client.closed();
  });
});

test("UDP packets from strangers, and nonsense from the viewer, end nothing", () =>
  server.explain(async () => {
    const reader = await Reader.play(server, "/live/back", "udp");
    const stranger = await UdpPair.open();
    await reader.pictures(2, 5_000);
    for (const bytes of [Buffer.alloc(0), Buffer.from([0xfe, 0xed, 0xfa, 0xce]), Buffer.alloc(1_400, 0xff)]) {
      for (const port of [reader.serverPort, reader.serverPort + 1]) {
        stranger.rtp.send(bytes, port, "127.0.0.1");
        reader.udp?.rtp.send(bytes, port, "127.0.0.1");
        reader.udp?.rtcp.send(bytes, port, "127.0.0.1");
      }
    }
    await reader.pictures(reader.track.pictures.length + 25, 5_000);
    expect(reader.track.lost).toBe(0);
    expect(reader.track.oddities).toEqual([]);
    stranger.close();
    await reader.leave();
  }));

test("meanwhile the viewer who was there all the time has lost nothing", async () => {
  expect(witness.track.pictures.length).toBeGreaterThan(25);
  expect(witness.track.lost).toBe(0);
  expect(witness.track.oddities).toEqual([]);
});
