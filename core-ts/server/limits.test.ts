/**
 * What one peer can take away from the others: nothing. Each bound of SECURITY.md, on the wire of a host in memory.
 */
import { describe, expect, it } from "vitest";
import { HELD_FAILURES_MAX, LONGEST_DELAY_US } from "../auth/login-throttle.ts";
import { PIPELINED_BYTES_MAX, PIPELINED_REQUESTS_MAX } from "./client-connection.ts";
import { INPUT_MAX_BYTES } from "./input-memory.ts";
import { peerGroup } from "./peer-group.ts";
import { REFUSALS_TOLD } from "./refusals.ts";
import { PACED_PEERS_MAX, RequestPace } from "./request-pace.ts";
import { HTTP_PORT, HttpClient, RTSP_PORT, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const MALLORY = "203.0.113.66";
const OWNER = "192.0.2.7";
const URL = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
const TCP = "RTP/AVP/TCP;unicast";
const RIGHT = `Basic ${btoa("owner:correct horse")}`;

const withLogins = (limits: Record<string, number> = {}): World =>
  startServer({ auth: { enabled: true }, users: [{ name: "owner", password: "correct horse" }], limits });
const wrong = (number: number): string => `Basic ${btoa(`owner:guess ${number}`)}`;
const refused = (world: World): Record<string, number> =>
  Object.fromEntries(
    Object.entries(world.server.runtime.refusals.counts).flatMap(([reason, { total }]) =>
      total === 0 ? [] : [[reason, total]],
    ),
  );
const logOf = (world: World): string => world.host.logs.map(({ line }) => line).join("\n");
/** Lets time pass in steps in which whoever dribbles may dribble. */
function each(world: World, seconds: number, step: () => void): void {
  for (let i = 0; i < seconds; i++) {
    step();
    world.host.advance(world.core, SECOND);
  }
}

describe("a request that never ends", () => {
  it("over RTSP gets 408 and its connection is closed, however slowly it goes on and whoever has logged in", () => {
    const world = withLogins({ requestSeconds: 5 });
    const client = new RtspClient(world, MALLORY);
    client.expect(200, client.request("DESCRIBE", URL, { Authorization: RIGHT }));
    client.raw(`OPTIONS ${URL} RTSP/1.0\r\n`);
    each(world, 5, () => client.raw("X-Dribble: 1\r\n"));
    expect(client.peer.state).toBe("open");
    each(world, 2, () => client.raw("X"));
    expect(client.reply(0).status).toBe(408);
    expect(client.peer.state).toBe("flushed");
    expect(refused(world)).toEqual({ "request-timeout": 1 });
  });

  it("over HTTP likewise, in its body too", () => {
    const world = withLogins({ requestSeconds: 5 });
    const client = new HttpClient(world, MALLORY);
    expect(client.get("/api/status", { Authorization: RIGHT }).status).toBe(200);
    client.raw("POST /api/users HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n");
    each(world, 7, () => client.raw("x"));
    const reply = client.reply(0);
    expect([reply.status, reply.body]).toEqual([408, expect.stringContaining("within 5 s")]);
    expect(client.peer.state).toBe("flushed");
  });

  it("ends an interleaved frame's connection too, and its session with it", () => {
    const world = startServer({ limits: { requestSeconds: 5 } });
    const client = new RtspClient(world);
    client.play("/live/back");
    client.raw("$\x01\x40\x00");
    each(world, 7, () => client.raw("x"));
    expect(client.peer.state).toBe("flushed");
    expect(world.server.viewers.count).toBe(0);
  });

  it("is measured from its own beginning: a client whose requests and frames each come in halves stays", () => {
    const world = startServer({ limits: { requestSeconds: 5 } });
    const client = new RtspClient(world);
    client.play("/live/back");
    client.raw("$\x01\x00\x08\x80\xc9");
    each(world, 30, () => client.raw("\x00\x01\x01\x02\x03\x04$\x01\x00\x08\x80\xc9"));
    expect(client.peer.state).toBe("open");
  });
});

describe("a connection without a login", () => {
  it("is closed in time even while it tries passwords all along", () => {
    const world = withLogins({ unauthenticatedSeconds: 10 });
    const clients = [new RtspClient(world, MALLORY), new HttpClient(world, OWNER)];
    let guess = 0;
    each(world, 12, () => {
      guess++;
      for (const client of clients) {
        if (client.peer.state !== "open") continue;
        if (client instanceof RtspClient) client.send("DESCRIBE", URL, { Authorization: wrong(guess) });
        else client.send("GET", "/", { Authorization: wrong(guess) });
      }
    });
    expect(clients.map(({ peer }) => peer.state)).toEqual(["flushed", "flushed"]);
    expect(refused(world)["no-login"]).toBe(2);
  });
});

describe("the places of viewers", () => {
  it("can't all be had by one address, over RTSP and HTTP together; others still get in", () => {
    const world = startServer({ limits: { clients: 10, clientsPerAddress: 3 } });
    const greedy = [new RtspClient(world, MALLORY), new RtspClient(world, MALLORY)];
    for (const client of greedy) client.play("/live/back");
    const stream = new HttpClient(world, MALLORY);
    expect(stream.get("/back/").status).toBe(200);

    const third = new RtspClient(world, MALLORY);
    const reply = third.request("SETUP", `${URL}/trackID=0`, { Transport: TCP });
    expect([reply.status, reply.headers.get("retry-after")]).toEqual([453, "5"]);
    const overHttp = new HttpClient(world, MALLORY).get("/back/");
    expect([overHttp.status, overHttp.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(overHttp.body).toContain("limits.clientsPerAddress");
    new RtspClient(world, OWNER).play("/live/back");
    expect(refused(world)).toEqual({ "clients-of-address": 2 });

    greedy[0]!.request("TEARDOWN", URL);
    new RtspClient(world, MALLORY).play("/live/back");
  });

  it("of UDP sessions count likewise when the last place goes while the ports are opened", () => {
    const world = startServer({ limits: { clientsPerAddress: 1 } });
    const both = [new RtspClient(world, MALLORY), new RtspClient(world, MALLORY)];
    for (const { peer } of both) {
      peer.send(
        `SETUP ${URL}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n`,
      );
    }
    world.host.settle(world.core);
    expect(both.map((client) => client.reply().status).sort()).toEqual([200, 453]);
  });
});

describe("connections", () => {
  it("of one IPv6 /64 are those of one address", () => {
    const world = startServer({ limits: { connectionsPerAddress: 2 } });
    const [, , third] = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map((address) => new HttpClient(world, address));
    expect(third!.reply(0).status).toBe(503);
    expect(new HttpClient(world, "2001:db8:0:1::3").get("/api/status").status).toBe(200);
  });

  it("that fill all places give way to an address that has fewer, those without a login and the oldest first", () => {
    const world = withLogins({ connections: 6, clients: 6, connectionsPerAddress: 3 });
    const loggedIn = new RtspClient(world, MALLORY);
    loggedIn.expect(200, loggedIn.request("DESCRIBE", URL, { Authorization: RIGHT }));
    const idle = [MALLORY, MALLORY, "203.0.113.67", "203.0.113.67", "203.0.113.67"].map(
      (address) => new HttpClient(world, address),
    );
    const owner = new HttpClient(world, OWNER);
    expect(owner.get("/api/status", { Authorization: RIGHT }).status).toBe(200);
    expect(idle.map(({ peer }) => peer.state)).toEqual(["reset", "open", "open", "open", "open"]);
    // Who has as many as anybody displaces nobody.
    const again = new HttpClient(world, OWNER);
    expect(again.get("/api/status", { Authorization: RIGHT }).status).toBe(200);
    expect(new HttpClient(world, OWNER).reply(0).status).toBe(503);
    expect(loggedIn.peer.state).toBe("open");
    expect(refused(world)).toMatchObject({ displaced: 2, connections: 1 });
  });

  it("that are refused by the thousand make a few lines of log, and one that says how many more there were", () => {
    const world = startServer({ limits: { connectionsPerAddress: 1 } });
    const first = new RtspClient(world, MALLORY);
    for (let i = 0; i < 1_000; i++) expect(new RtspClient(world, MALLORY).reply(0).status).toBe(503);
    expect(refused(world)).toEqual({ "connections-of-address": 1_000 });
    const lines = (): number => world.host.logs.filter(({ line }) => line.includes("too-many-of-address")).length;
    expect(lines()).toBe(REFUSALS_TOLD);
    world.host.advance(world.core, 10 * SECOND);
    new RtspClient(world, MALLORY);
    expect(logOf(world)).toContain(`refused reason=connections-of-address: ${1_000 - REFUSALS_TOLD} more`);
    expect(lines()).toBe(REFUSALS_TOLD + 1);
    first.peer.drop();
  });
});

describe("requests", () => {
  it("faster than the rate wait, lose nothing, and keep their order; another address doesn't wait", () => {
    const world = startServer({ limits: { requestsPerSecond: 10 } });
    const client = new RtspClient(world, MALLORY);
    const count = 50;
    for (let i = 0; i < count; i++) client.send("OPTIONS", URL);
    let answered = 0;
    const read = (): void => {
      for (; !client.silent; answered++) expect(client.reply(0).headers.get("cseq")).toBe(String(answered + 1));
    };
    read();
    // Two seconds' worth at once.
    expect(answered).toBe(20);
    expect(new HttpClient(world, OWNER).get("/api/status").status).toBe(200);
    world.host.advance(world.core, SECOND);
    read();
    expect(answered).toBe(30);
    world.host.advance(world.core, 2 * SECOND);
    read();
    expect(answered).toBe(count);
    expect(client.peer.state).toBe("open");
    expect(world.server.requestPace.held).toBe(30);
  });

  it("over many connections of one address are as fast as over one", () => {
    const world = startServer({ limits: { requestsPerSecond: 10 } });
    const clients = Array.from({ length: 60 }, () => new HttpClient(world, MALLORY));
    for (const client of clients) client.send("GET", "/api/status");
    const answered = (): number => clients.filter((client) => !client.silent).length;
    expect(answered()).toBe(20);
    world.host.advance(world.core, SECOND);
    expect(answered()).toBe(30);
  });

  it("of many addresses take bounded memory", () => {
    const pace = new RequestPace(1);
    for (let i = 0; i < 2 * PACED_PEERS_MAX; i++) pace.take(`address ${i}`, 0);
    expect(pace.size).toBe(PACED_PEERS_MAX);
  });

  it("that wait while their connection goes away leave nothing behind", () => {
    const world = startServer({ limits: { requestsPerSecond: 1 } });
    const timers = world.server.runtime.timers.size;
    const clients = Array.from({ length: 10 }, () => new RtspClient(world, MALLORY));
    for (const client of clients) client.send("OPTIONS", URL);
    for (const client of clients) client.peer.drop();
    world.host.settle(world.core);
    expect(world.server.runtime.timers.size).toBe(timers);
  });
});

describe("input that waits", () => {
  /** One request after the other with a large body, while the first isn't answered. */
  function flood(client: HttpClient, bytes: number): void {
    const body = "x".repeat(100_000);
    const request = `POST /api/users HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${wrong(1)}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const text = request.repeat(Math.ceil(bytes / request.length)).slice(0, bytes);
    for (let at = 0; at < text.length; at += 30_000) {
      if (client.peer.state === "open") client.raw(text.slice(at, at + 30_000));
    }
  }

  it("of one connection is bounded: past it the connection is not read", () => {
    const world = withLogins();
    // Answers are held from here.
    for (let i = 0; i < 6; i++) new HttpClient(world, MALLORY).send("GET", "/", { Authorization: wrong(i) });
    world.host.settle(world.core);
    const client = new HttpClient(world, MALLORY);
    flood(client, 2_000_000);
    expect(world.host.called("tcpPause").map(({ args }) => args[0])).toContain(client.peer.handle);
    // What waits, a whole request, one that is incomplete, and what one turn brings.
    expect(world.server.inputMemory.bytes).toBeLessThan(PIPELINED_BYTES_MAX + 3 * 110_000);
    expect(PIPELINED_REQUESTS_MAX).toBe(16);
  });

  it("of all connections is bounded: past it who holds most goes, and whoever comes is served", () => {
    const world = withLogins({ connections: 300, connectionsPerAddress: 300 });
    const half = 200_000;
    const flooding = Array.from({ length: 60 }, () => new HttpClient(world, MALLORY));
    for (const client of flooding) {
      client.raw(`POST /api/users HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${half + 1}\r\n\r\n`);
      for (let at = 0; at < half && client.peer.state === "open"; at += 25_000) client.raw("x".repeat(25_000));
      expect(world.server.inputMemory.bytes).toBeLessThanOrEqual(INPUT_MAX_BYTES);
    }
    const gone = flooding.filter(({ peer }) => peer.state !== "open");
    expect(gone.length).toBeGreaterThanOrEqual(60 - Math.floor(INPUT_MAX_BYTES / half));
    expect(gone[0]!.reply(0).status).toBe(503);
    expect(new HttpClient(world, OWNER).get("/api/status", { Authorization: RIGHT }).status).toBe(200);
    for (const { peer } of flooding) peer.drop();
    world.host.settle(world.core);
    expect(world.server.inputMemory.bytes).toBe(0);
    expect(refused(world)["input-full"]).toBe(gone.length);
  });
});

describe("wrong logins", () => {
  it("past what is held of an address aren't looked at, whoever hangs up meanwhile; the owner elsewhere gets in at once", () => {
    const world = withLogins({ requestsPerSecond: 10_000 });
    let looked = 0;
    for (let i = 0; i < 2_000; i++) {
      const overRtsp = i % 2 === 0;
      const client = overRtsp ? new RtspClient(world, MALLORY) : new HttpClient(world, MALLORY);
      if (client instanceof RtspClient) client.send("DESCRIBE", URL, { Authorization: wrong(i) });
      else client.send("GET", "/", { Authorization: wrong(i) });
      if (client.silent) looked++;
      else {
        const reply = client.reply(0);
        if (reply.status === 401) looked++;
        else expect([reply.status, reply.headers.has("retry-after")]).toEqual([overRtsp ? 503 : 429, true]);
      }
      client.peer.drop();
      world.host.advance(world.core, 1_000);
    }
    // Two seconds: two free ones, and what was due in between.
    expect(looked).toBeGreaterThan(HELD_FAILURES_MAX);
    expect(looked).toBeLessThan(2 * HELD_FAILURES_MAX);
    const owner = new HttpClient(world, OWNER);
    owner.send("GET", "/api/status", { Authorization: RIGHT });
    expect(owner.reply(0).status).toBe(200);
    // And the right password of the same address once the holding is over.
    world.host.advance(world.core, LONGEST_DELAY_US);
    const same = new HttpClient(world, MALLORY);
    same.send("GET", "/api/status", { Authorization: RIGHT });
    expect(same.silent).toBe(true);
    expect(same.reply(LONGEST_DELAY_US).status).toBe(200);
  });

  it("make as many events and lines as one may read, and are counted all", () => {
    const world = withLogins({ requestsPerSecond: 10_000 });
    for (let i = 0; i < 300; i++) {
      new HttpClient(world, `198.51.100.${i % 200}`).send("GET", "/", { Authorization: wrong(i) });
    }
    world.host.settle(world.core);
    const told = world.server.runtime.events.since(0).filter(({ type }) => type === "login.failed");
    expect(told).toHaveLength(REFUSALS_TOLD);
    expect(logOf(world).match(/login failed/g)).toHaveLength(REFUSALS_TOLD);
    expect(world.server.runtime.metrics.loginFailures.http).toBe(300);
    expect(world.server.metrics()).toContain('porthole_refused_total{reason="login"} 300');
  });

  it("of an owner's neighbour with a login of his own aren't forgotten when that one succeeds", () => {
    const users = ["owner", "guest"].map((name) => ({ name, password: `${name} password` }));
    const world = startServer({ auth: { enabled: true }, users });
    const ask = (name: string, password: string): HttpClient => {
      const client = new HttpClient(world, MALLORY);
      client.send("GET", "/api/status", { Authorization: `Basic ${btoa(`${name}:${password}`)}` });
      return client;
    };
    for (let i = 0; i < 4; i++) {
      ask("owner", `guess ${i}`).reply();
      expect(ask("guest", "guest password").reply(0).status).toBe(200);
    }
    // The fifth is held for a second: guest's successes have cleared nothing.
    const fifth = ask("owner", "guess 5");
    world.host.advance(world.core, SECOND - 1_000);
    expect(fifth.silent).toBe(true);
  });
});

describe("packets", () => {
  it("go to the address of the control connection, whatever destination a client writes", () => {
    const world = startServer();
    const client = new RtspClient(world, MALLORY);
    const transport = "RTP/AVP;unicast;destination=192.0.2.99;source=192.0.2.98;client_port=5000-5001";
    const setup = client.play("/live/back", transport);
    client.watch(SECOND);
    expect(setup.status).toBe(200);
    const sent = world.host.takeDatagrams();
    expect(sent.length).toBeGreaterThan(10);
    expect(new Set(sent.map(({ to }) => `${to.address} ${to.port}`))).toEqual(
      new Set([`${MALLORY} 5000`, `${MALLORY} 5001`]),
    );
    expect(world.host.called("udpConnect").map(({ args }) => args[1])).toEqual([MALLORY, MALLORY]);
  });
});

describe("what a proxy in front could read another way", () => {
  const host = `Host: 127.0.0.1:${HTTP_PORT}\r\n`;
  it.each([
    ["two lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
    ["a list of lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 5, 5\r\n\r\nhello`],
    ["a length with a sign", `POST / HTTP/1.1\r\n${host}Content-Length: +5\r\n\r\nhello`],
    [
      "length and encoding",
      `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["an unknown encoding", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, gzip\r\n\r\n`],
    ["an encoding with a tab", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \tchunked\x0b\r\n\r\n`],
    ["a blank before the colon", `POST / HTTP/1.1\r\n${host}Content-Length : 5\r\n\r\nhello`],
    ["a folded line", `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`],
    ["a bare CR in a value", `GET / HTTP/1.1\r\n${host}X: a\rSet-Cookie: b\r\n\r\n`],
    ["NUL in a value", `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
    ["two hosts", `GET / HTTP/1.1\r\n${host}Host: other\r\n\r\n`],
    ["a chunk size with a sign", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n`],
    [
      "a chunk that is longer than it says",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`,
    ],
    ["a path that climbs", `GET /a/../api/status HTTP/1.1\r\n${host}\r\n`],
    ["a path that climbs in disguise", `GET /a/%2e%2e/api/status HTTP/1.1\r\n${host}\r\n`],
    ["an escaped slash", `GET /api%2fstatus HTTP/1.1\r\n${host}\r\n`],
    ["a backslash", `GET /api\\status HTTP/1.1\r\n${host}\r\n`],
    ["an escaped line end", `GET /x%0d%0aSet-Cookie:%20a HTTP/1.1\r\n${host}\r\n`],
  ])("is refused, and nothing behind it is read: %s", (_, text) => {
    const world = startServer();
    const client = new HttpClient(world, MALLORY);
    client.raw(`${text}GET /api/status HTTP/1.1\r\n${host}\r\n`);
    const reply = client.reply(0);
    expect([400, 501]).toContain(reply.status);
    expect(client.rest).toBe("");
    expect(client.peer.state).toBe("flushed");
    expect(reply.headers.has("set-cookie")).toBe(false);
  });

  it.each([
    ["two lengths", `OPTIONS ${URL} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
    ["a length with a sign", `OPTIONS ${URL} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: +5\r\n\r\nhello`],
    ["a length that is no number", `OPTIONS ${URL} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 5, 5\r\n\r\nhello`],
  ])("is refused over RTSP, and nothing behind it is read: %s", (_, text) => {
    const world = startServer();
    const client = new RtspClient(world, MALLORY);
    client.raw(`${text}OPTIONS ${URL} RTSP/1.0\r\nCSeq: 2\r\n\r\n`);
    expect(client.reply(0).status).toBe(400);
    expect([client.silent, client.rest, client.peer.state]).toEqual([true, "", "flushed"]);
  });

  it("can't put a line into an answer by way of what answers repeat", () => {
    const world = startServer();
    const client = new RtspClient(world, MALLORY);
    for (const text of [
      `DESCRIBE rtsp://h/live/back%0d%0aX-Evil:1 RTSP/1.0\r\nCSeq: 1\r\n\r\n`,
      `OPTIONS ${URL} RTSP/1.0\r\nCSeq: 1\rX-Evil: 1\r\n\r\n`,
      `OPTIONS ${URL} RTSP/1.0\r\nCSeq: 1\r\nRequire: a\rX-Evil: 1\r\n\r\n`,
      `SETUP ${URL}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP\rX-Evil: 1;unicast;client_port=1-2\r\n\r\n`,
    ]) {
      client.raw(text);
      const reply = client.reply(0);
      expect(reply.status).toBeGreaterThanOrEqual(400);
      expect([...reply.headers.keys()].join()).not.toContain("x-evil");
    }
  });
});

describe("whom limits count as one", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["fe80::1234", "fe80::1234"],
    ["febf::1", "febf::1"],
    ["fec0::1", "fec0:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["nonsense:", "nonsense:"],
  ])("%s is of %s", (address, group) => {
    expect(peerGroup(address)).toBe(group);
  });
});
