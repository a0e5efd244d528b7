import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { HttpClient, type Response, RTSP_PORT, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const URL = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";
const USERS = { auth: { enabled: true }, users: [{ name: "me", password: "secret" }] };

const hash = (algorithm: string, text: string): string =>
  createHash(algorithm === "SHA-256" ? "sha256" : "md5")
    .update(text)
    .digest("hex");

/** The challenges of a 401, one a header line, in order. */
const challengesOf = (response: Response): string[] =>
  response.lines.filter((line) => line.startsWith("WWW-Authenticate: ")).map((line) => line.slice(18));

const parameter = (challenge: string, name: string): string =>
  new RegExp(`[ ,]${name}="?([^",]*)"?`).exec(challenge)?.[1] ?? "";

type DigestOptions = { uri: string; method: string; name?: string; password?: string; nc?: string };

/** `Authorization` as RFC 7616 section 3.4 has it, made without the code under test. */
function digest(challenge: string, o: DigestOptions): string {
  const { uri, method, name = "me", password = "secret", nc = "00000001" } = o;
  const algorithm = parameter(challenge, "algorithm");
  const [realm, nonce] = [parameter(challenge, "realm"), parameter(challenge, "nonce")];
  const ha1 = hash(algorithm, `${name}:${realm}:${password}`);
  const ha2 = hash(algorithm, `${method}:${uri}`);
  const qop = parameter(challenge, "qop") === "auth";
  const response = hash(algorithm, qop ? `${ha1}:${nonce}:${nc}:0a4f:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
  const tail = qop ? `, qop=auth, nc=${nc}, cnonce="0a4f"` : "";
  return `Digest username="${name}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${tail}`;
}

const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

/** A DESCRIBE with right Digest credentials of a fresh challenge. */
function describeWithLogin(client: RtspClient, login: { name?: string; password?: string } = {}): Response {
  const [challenge] = challengesOf(client.expect(401, client.request("DESCRIBE", URL)));
  return client.request("DESCRIBE", URL, {
    Authorization: digest(challenge!, { method: "DESCRIBE", uri: URL, ...login }),
  });
}

/** Microseconds until the reply. */
function timed(world: World, ask: () => Response): { response: Response; us: number } {
  const from = world.host.nowUs;
  const response = ask();
  return { response, us: world.host.nowUs - from };
}

describe("the generated login", () => {
  it("is made at the first start, shown once to the owner, and lets him in over both protocols", () => {
    const host = new FakeHost();
    const world = startServer({ auth: { enabled: true } }, host);
    const { name, password } = host.login!;
    expect(password).toMatch(/^[a-z2-9]{16}$/);
    expect(host.readyInfo!.users).toEqual([{ name, password }]);
    expect(host.readyInfo!.authentication).toBe(true);
    expect(describeWithLogin(new RtspClient(world), { name, password }).status).toBe(200);
    const http = new HttpClient(world);
    expect(http.get("/", { Authorization: basic(name, password) }).status).toBe(200);
    expect(http.get("/", { Authorization: basic(name, `${password}x`) }).status).toBe(401);
  });

  it("is the same at the next start, which shows it to nobody", () => {
    const first = new FakeHost();
    startServer({ auth: { enabled: true } }, first);
    const host = new FakeHost();
    host.random(7); // not the first run's numbers
    host.stored.state = first.stored.state;
    const world = startServer({ auth: { enabled: true } }, host);
    expect(host.login).toBeUndefined();
    expect(host.readyInfo!.users).toEqual([{ name: first.login!.name }]);
    expect(host.stored.state).toEqual(first.stored.state);
    expect(describeWithLogin(new RtspClient(world), first.login!).status).toBe(200);
  });

  it("is kept as HA1 only, and neither it nor any password or digest stands in a log line", () => {
    const host = new FakeHost();
    const world = startServer({ auth: { enabled: true }, log: { level: "debug" } }, host);
    const { name, password } = host.login!;
    const ha1 = hash("MD5", `${name}:Porthole:${password}`);
    expect(host.stored.state).toMatchObject({ state: "present", text: expect.stringContaining(ha1) });
    expect(JSON.stringify(host.stored)).not.toContain(password);
    expect(host.called("configWrite").map((call) => call.args[0])).toEqual(["state"]);
    const rtsp = new RtspClient(world);
    describeWithLogin(rtsp, { name, password });
    describeWithLogin(rtsp, { name, password: "a wrong one" });
    new HttpClient(world).get("/", { Authorization: basic(name, password) });
    new HttpClient(world).get("/", { Authorization: basic(name, "a wrong one") });
    new RtspClient(world).request("DESCRIBE", `rtsp://${name}:${password}@127.0.0.1/live/back`);
    const log = host.logs.map(({ line }) => line).join("\n");
    expect(log).toMatch(/conn=\d+ rtsp login failed peer=127\.0\.0\.1 reason=wrong/);
    expect(log).toMatch(/conn=\d+ http login failed peer=127\.0\.0\.1 reason=wrong/);
    for (const secret of [password, ha1, "a wrong one", "Basic ", "response="]) expect(log).not.toContain(secret);
    expect(world.server.status()).not.toContain(password);
  });

  it("is another after the realm has changed, because the kept HA1 holds the realm", () => {
    const first = new FakeHost();
    startServer({ auth: { enabled: true } }, first);
    const host = new FakeHost();
    host.random(7);
    host.stored.state = first.stored.state;
    const world = startServer({ auth: { enabled: true, realm: "Another" } }, host);
    expect(host.login).toBeDefined();
    expect(host.login!.password).not.toBe(first.login!.password);
    expect(describeWithLogin(new RtspClient(world), host.login!).status).toBe(200);
    expect(describeWithLogin(new RtspClient(world), first.login!).status).toBe(401);
  });

  it("is made anew when what is stored can't be read", () => {
    for (const text of ["{", "null", '{"realm":"Porthole","users":[{"name":"x"}]}', "[]"]) {
      const host = new FakeHost();
      host.stored.state = { state: "present", text };
      const world = startServer({ auth: { enabled: true } }, host);
      expect(describeWithLogin(new RtspClient(world), host.login!).status).toBe(200);
    }
  });

  it("lasts for the run where nothing can be stored, reloads included, and the log says so", () => {
    const host = new FakeHost();
    host.canStore = false;
    const world = startServer({ auth: { enabled: true } }, host);
    const login = host.login!;
    expect(host.logs.filter(({ level, line }) => level === "warn" && line.includes("can't be stored"))).toHaveLength(1);
    const client = new RtspClient(world);
    expect(describeWithLogin(client, login).status).toBe(200);
    host.login = undefined;
    host.push({ type: "config" });
    host.settle(world.core);
    expect(host.login).toBeUndefined();
    expect(describeWithLogin(client, login).status).toBe(200);
  });

  it("does not exist beside configured users, or without logins", () => {
    for (const config of [USERS, { auth: { enabled: false } }]) {
      const { host } = startServer(config);
      expect(host.login).toBeUndefined();
      expect(host.called("configWrite")).toHaveLength(0);
    }
  });
});

describe("a login over RTSP", () => {
  it("is offered as Digest MD5 first and Basic second, a header line each, and Digest carries a whole session", () => {
    const world = startServer(USERS);
    const client = new RtspClient(world);
    const challenges = challengesOf(client.expect(401, client.request("DESCRIBE", URL)));
    expect(challenges).toEqual([
      expect.stringMatching(/^Digest realm="Porthole", nonce="[0-9a-f]+", algorithm=MD5$/),
      'Basic realm="Porthole"',
    ]);
    const ask = (method: string, url: string, headers: Record<string, string> = {}) =>
      client.request(method, url, { ...headers, Authorization: digest(challenges[0]!, { method, uri: url }) });
    client.expect(200, ask("DESCRIBE", URL));
    client.expect(200, ask("SETUP", `${URL}/trackID=0`, { Transport: TCP }));
    client.expect(200, ask("PLAY", `${URL}/`));
    client.watch(300_000);
    expect(client.rtp().length).toBeGreaterThan(0);
    expect(JSON.parse(world.server.status()).clients[0].user).toBe("me");
    client.expect(200, ask("TEARDOWN", `${URL}/`));
  });

  it("may be Basic, unless that is switched off", () => {
    const headers = { Authorization: basic("me", "secret") };
    expect(new RtspClient(startServer(USERS)).request("DESCRIBE", URL, headers).status).toBe(200);
    const client = new RtspClient(startServer({ ...USERS, auth: { enabled: true, basic: false } }));
    const refused = client.request("DESCRIBE", URL, headers);
    expect(refused.status).toBe(401);
    expect(challengesOf(refused).join()).not.toContain("Basic");
  });

  it("is not asked for by OPTIONS, but by everything else", () => {
    const world = startServer(USERS);
    const client = new RtspClient(world);
    expect(client.request("OPTIONS", URL).status).toBe(200);
    expect(client.request("OPTIONS", "*").status).toBe(200);
    for (const method of ["DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER"]) {
      expect(client.request(method, URL, { Transport: TCP }).status).toBe(401);
    }
    // Nor does a 401 tell whether the stream exists.
    expect(client.request("DESCRIBE", "rtsp://127.0.0.1/live/nothing").status).toBe(401);
    expect(world.host.called("encoderOpen")).toHaveLength(0);
  });

  it("is checked over the client's own uri, which need only name the same stream", () => {
    const world = startServer(USERS);
    const client = new RtspClient(world);
    const [challenge] = challengesOf(client.request("DESCRIBE", URL));
    const setup = (uri: string) => {
      const reply = client.request("SETUP", `${URL}/trackID=0`, {
        Transport: TCP,
        Session: "",
        Authorization: digest(challenge!, { method: "SETUP", uri }),
      });
      return reply.status;
    };
    const same = [
      `${URL}/trackID=0`,
      `${URL}/`,
      URL,
      "/live/back",
      "/live/back/trackID=0",
      "rtsp://other.name/LIVE/back",
    ];
    // 454: past the login, as the empty Session names none.
    for (const uri of same) expect([uri, setup(uri)]).toEqual([uri, 454]);
    const others = ["rtsp://127.0.0.1/live/front", "/live/back/mjpeg", "/", "*", "", "rtsp://127.0.0.1/live/../back"];
    for (const uri of others) expect([uri, setup(uri)]).toEqual([uri, 401]);
  });

  it("is refused with stale=true after the nonce's hour, and good again with the new one, without a penalty", () => {
    const world = startServer({ ...USERS, limits: { unauthenticatedSeconds: 300 } });
    const old = challengesOf(new RtspClient(world).request("DESCRIBE", URL))[0]!;
    const ask = (challenge: string) => {
      const client = new RtspClient(world);
      return client.request("DESCRIBE", URL, { Authorization: digest(challenge, { method: "DESCRIBE", uri: URL }) });
    };
    world.host.advance(world.core, 3_590 * SECOND);
    expect(ask(old).status).toBe(200);
    world.host.advance(world.core, 20 * SECOND);
    for (let i = 0; i < 5; i++) {
      const { response, us } = timed(world, () => ask(old));
      expect(response.status).toBe(401);
      expect(us).toBe(0);
      const [fresh] = challengesOf(response);
      expect(fresh).toContain(", stale=true");
      expect(timed(world, () => ask(fresh!)).response.status).toBe(200);
    }
    // A wrong password with an old nonce is a wrong password.
    const client = new RtspClient(world);
    const Authorization = digest(old, { method: "DESCRIBE", uri: URL, password: "guess" });
    expect(challengesOf(client.request("DESCRIBE", URL, { Authorization }))[0]).not.toContain("stale");
  });

  it("is needed by no keep-alive of a live session on its own connection, however old its nonce is", () => {
    const world = startServer({ ...USERS, profiles: [{ path: "/live/back", camera: "back", fps: 1 }] });
    const client = new RtspClient(world);
    const [challenge] = challengesOf(client.request("DESCRIBE", URL));
    const ask = (method: string, url: string, headers: Record<string, string> = {}) =>
      client.request(method, url, { ...headers, Authorization: digest(challenge!, { method, uri: url }) });
    client.expect(200, ask("SETUP", `${URL}/trackID=0`, { Transport: "RTP/AVP;unicast;client_port=5000-5001" }));
    client.expect(200, ask("PLAY", `${URL}/`));
    for (let minute = 0; minute < 62; minute++) {
      client.watch(59 * SECOND);
      client.expect(200, ask("GET_PARAMETER", `${URL}/`));
    }
    client.watch(30 * SECOND);
    world.host.takeDatagrams();
    client.watch(5 * SECOND);
    expect(world.host.takeDatagrams(5000).length).toBeGreaterThan(4);
    // Anything else than a sign of life has to log in again, and so has another connection.
    expect(challengesOf(client.expect(401, ask("PAUSE", `${URL}/`)))[0]).toContain("stale=true");
    const other = new RtspClient(world);
    other.session = client.session;
    expect(other.request("GET_PARAMETER", `${URL}/`).status).toBe(401);
    client.session = "0123456789abcdef0123456789abcdef";
    expect(client.request("GET_PARAMETER", `${URL}/`).status).toBe(401);
  });

  it("may use SHA-256 where that is switched on, beside MD5, and nowhere else", () => {
    const world = startServer({ ...USERS, auth: { enabled: true, sha256: true } });
    const client = new RtspClient(world);
    const challenges = challengesOf(client.request("DESCRIBE", URL));
    expect(challenges.map((each) => parameter(each, "algorithm"))).toEqual(["MD5", "SHA-256", ""]);
    for (const challenge of challenges.slice(0, 2)) {
      const Authorization = digest(challenge, { method: "DESCRIBE", uri: URL });
      expect(client.request("DESCRIBE", URL, { Authorization }).status).toBe(200);
    }
    const plain = new RtspClient(startServer(USERS));
    const offered = challengesOf(plain.request("DESCRIBE", URL));
    expect(offered.join()).not.toContain("SHA-256");
    const forced = digest(offered[0]!.replace("MD5", "SHA-256"), { method: "DESCRIBE", uri: URL });
    expect(plain.request("DESCRIBE", URL, { Authorization: forced }).status).toBe(401);
  });

  it("works for a user of whom only the HA1 is configured", () => {
    const ha1 = { md5: hash("MD5", "me:Porthole:secret").toUpperCase() };
    const world = startServer({ auth: { enabled: true }, users: [{ name: "me", ha1 }] });
    expect(describeWithLogin(new RtspClient(world)).status).toBe(200);
    expect(describeWithLogin(new RtspClient(world), { password: "other" }).status).toBe(401);
  });

  it("is not needed when logins are switched off", () => {
    const client = new RtspClient(startServer({ auth: { enabled: false } }));
    const reply = client.request("DESCRIBE", URL);
    expect(reply.status).toBe(200);
    expect(challengesOf(reply)).toEqual([]);
  });
});

describe("a login over HTTP", () => {
  it("is Digest with qop, counted: every count is good once, and a replay is stale", () => {
    const world = startServer(USERS);
    const client = new HttpClient(world);
    const first = client.get("/api/status");
    expect(first.status).toBe(401);
    const challenges = challengesOf(first);
    expect(challenges).toEqual([
      expect.stringMatching(/^Digest realm="Porthole", nonce="[0-9a-f]+", algorithm=MD5, qop="auth"$/),
      'Basic realm="Porthole"',
    ]);
    const ask = (nc: string) => {
      const Authorization = digest(challenges[0]!, { method: "GET", uri: "/api/status", nc });
      return client.get("/api/status", { Authorization });
    };
    for (const nc of ["00000001", "00000002", "00000004", "00000003"]) expect(ask(nc).status).toBe(200);
    const replay = ask("00000002");
    expect(replay.status).toBe(401);
    expect(challengesOf(replay)[0]).toContain("stale=true");
  });

  it("is good for the request it was made for, query included", () => {
    const world = startServer(USERS);
    const client = new HttpClient(world);
    const [challenge] = challengesOf(client.get("/back/snapshot.jpg"));
    let count = 0;
    const ask = (target: string, uri: string) => {
      const nc = String(++count).padStart(8, "0");
      return client.get(target, { Authorization: digest(challenge!, { method: "GET", uri, nc }) }).status;
    };
    expect(ask("/back/snapshot.jpg?t=1", "/back/snapshot.jpg?t=1")).toBe(200);
    expect(ask("/back/snapshot.jpg?t=1", "/back/snapshot.jpg")).toBe(200);
    expect(ask("/api/status", "/back/snapshot.jpg")).toBe(401);
    // Another method has another hash.
    const Authorization = digest(challenge!, { method: "GET", uri: "/api/status", nc: "00000090" });
    expect(client.request("DELETE", "/api/status", { Authorization }).status).toBe(401);
  });

  it("lets one into the stream, whose viewer the status names", () => {
    const world = startServer(USERS);
    const client = new HttpClient(world);
    expect(client.get("/back/", { Authorization: basic("me", "secret") }).status).toBe(200);
    expect(JSON.parse(world.server.status()).clients[0].user).toBe("me");
  });

  it("is needed for every page but OPTIONS, and a 401 does not tell what exists", () => {
    const client = new HttpClient(startServer(USERS));
    for (const target of ["/", "/back/", "/back/snapshot.jpg", "/api/status", "/nothing"]) {
      expect(client.get(target).status).toBe(401);
    }
    expect(client.request("OPTIONS", "/back/").status).toBe(204);
  });
});

describe("guessing a password", () => {
  const guess = { Authorization: basic("me", "guess") };
  const right = { Authorization: basic("me", "secret") };
  const ways: [string, (world: World, address: string, headers: Record<string, string>) => Response][] = [
    [
      "RTSP",
      (world, address, headers) => {
        const client = new RtspClient(world, address);
        client.send("DESCRIBE", URL, headers);
        return client.reply(10 * SECOND);
      },
    ],
    [
      "HTTP",
      (world, address, headers) => {
        const client = new HttpClient(world, address);
        client.send("GET", "/", headers);
        return client.reply(10 * SECOND);
      },
    ],
  ];

  it.each(ways)("over %s is slower with every failure of an address, right answers included", (_, ask) => {
    const world = startServer(USERS);
    const delays = Array.from({ length: 9 }, () => {
      const { response, us } = timed(world, () => ask(world, "10.0.0.1", guess));
      expect(response.status).toBe(401);
      return us / 1_000;
    });
    // Two are free; the test's own step is 10 ms.
    expect(delays.slice(0, 2)).toEqual([0, 0]);
    expect(delays[2]).toBeCloseTo(250, -2);
    expect(delays[4]).toBeCloseTo(1_000, -2);
    for (let i = 3; i < 8; i++) expect(delays[i]! / delays[i - 1]!).toBeCloseTo(2, 0);
    expect(delays[8]).toBe(delays[7]);
    const late = timed(world, () => ask(world, "10.0.0.1", right));
    expect(late.response.status).toBe(200);
    expect(late.us).toBeGreaterThanOrEqual(7 * SECOND);
    // It has proved itself and starts afresh.
    expect(timed(world, () => ask(world, "10.0.0.1", right)).us).toBe(0);
  });

  it.each(ways)("over %s slows no other address", (_, ask) => {
    const world = startServer(USERS);
    for (let i = 0; i < 6; i++) ask(world, "10.0.0.1", guess);
    expect(timed(world, () => ask(world, "10.0.0.2", right))).toMatchObject({ us: 0, response: { status: 200 } });
    expect(timed(world, () => ask(world, "10.0.0.2", guess))).toMatchObject({ us: 0, response: { status: 401 } });
  });

  it("costs nothing when no credentials were sent, and leaves nothing when the guesser hangs up meanwhile", () => {
    const world = startServer(USERS);
    for (let i = 0; i < 10; i++) expect(timed(world, () => ways[0]![1](world, "10.0.0.1", {})).us).toBe(0);
    for (let i = 0; i < 5; i++) ways[0]![1](world, "10.0.0.1", guess);
    world.host.advance(world.core, 30 * SECOND); // those connections are closed by now
    const timers = world.server.runtime.timers.size;
    const hasty = [new RtspClient(world, "10.0.0.1"), new HttpClient(world, "10.0.0.1")] as const;
    hasty[0].send("DESCRIBE", URL, guess);
    for (let i = 0; i < 4; i++) hasty[1].send("GET", "/", guess);
    for (const { peer } of hasty) peer.drop();
    world.host.settle(world.core);
    expect(world.server.runtime.timers.size).toBe(timers);
  });

  it("is told to whoever listens for events", () => {
    const world = startServer(USERS);
    ways[0]![1](world, "10.0.0.1", guess);
    ways[1]![1](world, "10.0.0.2", guess);
    ways[0]![1](world, "10.0.0.3", {});
    const failures = world.server.runtime.events.since(0).filter(({ type }) => type === "login.failed");
    expect(failures.map(({ data }) => data)).toEqual([
      { protocol: "rtsp", address: "10.0.0.1", reason: "wrong" },
      { protocol: "http", address: "10.0.0.2", reason: "wrong" },
    ]);
  });
});
