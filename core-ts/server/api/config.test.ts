/** The configuration over HTTP: shown without secrets, checked as a whole, changed all or nothing. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Code } from "../../../bindings/contract/host.ts";
import { FakeHost } from "../../../test/fakes/fake-host.ts";
import { SECRET_MASK } from "../../config/secrets.ts";
import { type Response, RTSP_PORT, RtspClient, startServer, type World } from "../testing.ts";
import { ADMIN, ask, askAndStay, errorOf, type Login, startWithLogins, VIEWER } from "./testing.ts";

const md5 = (name: string, password: string, realm = "Porthole"): string =>
  createHash("md5").update(`${name}:${realm}:${password}`).digest("hex");

const GUEST_MD5 = md5(VIEWER.name, VIEWER.password);
const USERS = [
  { ...ADMIN, role: "admin" },
  { name: VIEWER.name, role: "viewer", ha1: { md5: GUEST_MD5 } },
];
const FILE = { http: { morePorts: [8090] }, users: USERS };
const MASKED_USERS = [
  { name: ADMIN.name, role: "admin", ha1: { md5: SECRET_MASK } },
  { name: VIEWER.name, role: "viewer", ha1: { md5: SECRET_MASK } },
];

/** A server with a file, and the command line that is given. */
function start(file: unknown = FILE, overrides: Record<string, unknown> = {}): World {
  const host = new FakeHost();
  host.stored.config = { state: "present", text: JSON.stringify(file) };
  return startServer({ auth: {}, ...overrides }, host);
}

type Sent = { readonly headers?: Record<string, string>; readonly login?: Login };

const asAdmin = (world: World, method: string, target: string, body?: unknown, sent: Sent = {}): Response =>
  ask(world, method, target, { login: ADMIN, ...sent, ...(body === undefined ? {} : { body }) });
const jsonOf = (response: Response): Record<string, unknown> => JSON.parse(response.body) as Record<string, unknown>;
const written = (world: World): Record<string, unknown> => jsonOf(asAdmin(world, "GET", "/api/config"));
const fileOf = ({ host }: World): Record<string, unknown> => {
  const { config } = host.stored;
  return JSON.parse(config.state === "present" ? config.text : "null") as Record<string, unknown>;
};
const canLogIn = (world: World, login: Login): boolean => ask(world, "GET", "/api/status", { login }).status === 200;
const issuesOf = (response: Response): { path: string; message: string }[] =>
  (jsonOf(response) as { error: { issues: { path: string; message: string }[] } }).error.issues;
const eventsOf = (world: World, type: string): unknown[] =>
  world.server.runtime.events.since(0).filter((event) => event.type === type);
const writes = ({ host }: World): number =>
  host.called("configWrite").filter(({ args }) => args[0] === "config").length;

function playing(world: World, path: string): RtspClient {
  const client = new RtspClient(world);
  const url = `rtsp://127.0.0.1:${RTSP_PORT}${path}`;
  const Authorization = `Basic ${btoa(`${ADMIN.name}:${ADMIN.password}`)}`;
  client.expect(200, client.request("DESCRIBE", url, { Authorization }));
  const Transport = "RTP/AVP/TCP;unicast;interleaved=0-1";
  client.expect(200, client.request("SETUP", `${url}/trackID=0`, { Authorization, Transport }));
  client.expect(200, client.request("PLAY", url, { Authorization }));
  return client;
}

describe("GET", () => {
  test("shows what the file says, secrets masked, and nothing that was not written", () => {
    const response = asAdmin(start(), "GET", "/api/config");
    expect(jsonOf(response)).toEqual({ http: { morePorts: [8090] }, users: MASKED_USERS });
    expect(response.headers.get("etag")).toMatch(/^"[0-9a-f]{32}"$/);
    expect(response.body).not.toContain(GUEST_MD5);
  });

  test("of what is in force has every default, the built-in profiles and the command line's say", () => {
    const world = start(FILE, { rtsp: { port: RTSP_PORT, sessionTimeout: 30 } });
    const effective = jsonOf(asAdmin(world, "GET", "/api/config?effective=true"));
    expect(effective).toMatchObject({
      rtsp: { sessionTimeout: 30, payloadSize: 1_400 },
      http: { port: 8089, morePorts: [8090] },
      users: [
        { name: ADMIN.name, role: "admin", password: SECRET_MASK },
        { name: VIEWER.name, role: "viewer", ha1: { md5: SECRET_MASK } },
      ],
    });
    expect((effective.profiles as { path: string }[]).map(({ path }) => path)).toContain("/live/back");
    expect(written(world)).not.toHaveProperty("rtsp");
  });

  test("without a file shows that nothing is written", () => {
    expect(jsonOf(ask(startServer(), "GET", "/api/config"))).toEqual({});
  });

  test("of the schema gives every login the one that the documents have", () => {
    const response = ask(startWithLogins(), "GET", "/api/config.schema.json", { login: VIEWER });
    expect(response.headers.get("content-type")).toBe("application/schema+json");
    expect(jsonOf(response)).toMatchObject({ properties: { rtsp: { properties: { port: { default: 7778 } } } } });
  });
});

describe("PUT", () => {
  test("of what GET gave changes nothing and writes nothing", () => {
    const world = start();
    const response = asAdmin(world, "PUT", "/api/config", written(world));
    expect([response.status, jsonOf(response)]).toMatchObject([200, { persisted: true }]);
    expect([writes(world), eventsOf(world, "config.changed")]).toEqual([0, []]);
  });

  test("replaces the file as a whole, keeps masked secrets, and is in force at once", () => {
    const world = start();
    const response = asAdmin(world, "PUT", "/api/config", { users: MASKED_USERS, rtsp: { sessionTimeout: 99 } });
    expect(response.status).toBe(200);
    expect(fileOf(world)).toEqual({
      users: [
        { name: ADMIN.name, role: "admin", ha1: { md5: md5(ADMIN.name, ADMIN.password) } },
        { name: VIEWER.name, role: "viewer", ha1: { md5: GUEST_MD5 } },
      ],
      rtsp: { sessionTimeout: 99 },
    });
    expect(world.server.config.rtsp.sessionTimeout).toBe(99);
    expect([canLogIn(world, ADMIN), canLogIn(world, VIEWER)]).toEqual([true, true]);
    expect(eventsOf(world, "config.changed")).toMatchObject([{ data: { by: "api" } }]);
    expect(response.headers.get("etag")).toBe(asAdmin(world, "GET", "/api/config").headers.get("etag"));
  });

  test("stores a new password as HA1 of both kinds, in the realm that is configured with it", () => {
    const world = start();
    const anna = { name: "anna", password: "choose your own" };
    const users = [{ ...anna, role: "admin" }];
    expect(asAdmin(world, "PUT", "/api/config", { auth: { realm: "Attic" }, users }).status).toBe(200);
    const text = JSON.stringify(fileOf(world));
    expect(text).toContain(md5("anna", anna.password, "Attic"));
    expect(text).toContain(createHash("sha256").update(`anna:Attic:${anna.password}`).digest("hex"));
    expect(text + JSON.stringify(world.host.logs)).not.toContain(anna.password);
    expect(canLogIn(world, anna)).toBe(true);
  });

  test("finds a user's secret by name, wherever the user stands now", () => {
    const world = start();
    asAdmin(world, "PUT", "/api/config", { users: [...MASKED_USERS].reverse() });
    expect((fileOf(world).users as unknown[])[0]).toEqual({
      name: VIEWER.name,
      role: "viewer",
      ha1: { md5: GUEST_MD5 },
    });
  });

  test.each([
    ["one fault", { rtsp: { port: "x" } }, ["rtsp.port"]],
    ["every fault", { rtsp: { prot: 1 }, limits: { clients: 0 } }, ["rtsp.prot", "limits.clients"]],
    ["a fault between keys", { rtsp: { port: 9000 }, http: { port: 9000 } }, ["http.port"]],
    ["a mask that stands for nothing", { users: [{ name: "dora", password: SECRET_MASK }] }, ["users[0].password"]],
    ["a short password", { users: [...MASKED_USERS, { name: "dora", password: "seven 7" }] }, ["users[2].password"]],
    [
      "a new realm without the passwords",
      { auth: { realm: "Attic" }, users: MASKED_USERS },
      ["users[0].ha1", "users[1].ha1"],
    ],
    ["a key that JavaScript knows", '{"__proto__": {"rtsp": 1}}', ["__proto__"]],
    ["a camera's source", { cameras: { back: { source: "v4l2:/dev/video0" } } }, ["cameras.back.source"]],
  ])("is refused with %s, and nothing changes", (_, body, paths) => {
    const world = start();
    const before = JSON.stringify([fileOf(world), world.server.config]);
    for (const [method, target] of [
      ["PUT", "/api/config"],
      ["POST", "/api/config/validate"],
    ] as const) {
      const response = asAdmin(world, method, target, body);
      expect([response.status, errorOf(response).code]).toEqual([422, "config-invalid"]);
      expect(issuesOf(response).map(({ path }) => path)).toEqual(paths);
      expect(response.body).not.toContain("seven 7");
    }
    expect(JSON.stringify([fileOf(world), world.server.config])).toBe(before);
    expect([writes(world), eventsOf(world, "config.changed")]).toEqual([0, []]);
  });

  test("is refused when no admin could log in after it", () => {
    const world = start();
    for (const users of [[], [MASKED_USERS[1]]]) {
      const response = asAdmin(world, "PUT", "/api/config", { users });
      expect([response.status, errorOf(response).code]).toEqual([409, "no-admin"]);
    }
    asAdmin(world, "POST", "/api/users", { name: "anna", password: "choose your own", role: "admin" });
    expect(asAdmin(world, "PUT", "/api/config", {}).status).toBe(200);
    expect(world.host.login).toBeUndefined();
    expect(canLogIn(world, { name: "anna", password: "choose your own" })).toBe(true);
    // With no login needed at all everybody is admin.
    const open = startServer();
    expect(ask(open, "PUT", "/api/config", { body: { log: { level: "warn" } } }).status).toBe(200);
    expect(ask(open, "PATCH", "/api/config", { body: { auth: { enabled: false } } }).status).toBe(200);
  });
});

describe("PATCH", () => {
  test("merges, removes with null, and replaces lists", () => {
    const world = start({ ...FILE, log: { level: "warn" }, rtsp: { payloadSize: 1_000, sessionTimeout: 99 } });
    const patch = { log: null, rtsp: { sessionTimeout: null, udp: false }, http: { morePorts: [8091] } };
    expect(asAdmin(world, "PATCH", "/api/config", patch).status).toBe(200);
    expect(fileOf(world)).toMatchObject({ http: { morePorts: [8091] }, rtsp: { payloadSize: 1_000, udp: false } });
    expect(fileOf(world)).not.toHaveProperty("log");
    expect(world.server.config.rtsp.sessionTimeout).toBe(60);
    expect(canLogIn(world, VIEWER)).toBe(true);
  });

  test("of the users' list takes masks for those who stay", () => {
    const world = start();
    const users = [...MASKED_USERS, { name: "anna", password: "choose your own", role: "viewer" }];
    expect(asAdmin(world, "PATCH", "/api/config", { users }).status).toBe(200);
    for (const login of [ADMIN, VIEWER, { name: "anna", password: "choose your own" }]) {
      expect(canLogIn(world, login)).toBe(true);
    }
  });

  test("tells which keys the command line decides", () => {
    const world = start(FILE, { http: { hostNames: ["camera.lan"] }, cameras: { back: {}, front: {} } });
    const response = asAdmin(world, "PATCH", "/api/config", { http: { hostNames: ["other.lan"] } });
    expect(jsonOf(response)).toEqual({ persisted: true, overridden: ["discovery.enabled", "http.hostNames"] });
    expect(world.server.config.http.hostNames).toEqual(["camera.lan"]);
  });

  test("is refused with a fault that only the command line hides: the next start may be without", () => {
    const world = start(FILE, { rtsp: { port: RTSP_PORT } });
    const response = asAdmin(world, "PATCH", "/api/config", { rtsp: { port: "x" } });
    expect(issuesOf(response).map(({ path }) => path)).toEqual(["rtsp.port"]);
  });

  test("may name a camera that only the command line knows", () => {
    const world = start(FILE, { cameras: { back: {}, front: {}, door: {} } });
    const profiles = [{ path: "/door", camera: "door" }];
    expect(asAdmin(world, "PATCH", "/api/config", { profiles }).status).toBe(200);
  });
});

describe("validate", () => {
  test("says yes and does nothing", () => {
    const world = start();
    const response = asAdmin(world, "POST", "/api/config/validate", { users: MASKED_USERS, log: { level: "error" } });
    expect([response.status, jsonOf(response)]).toEqual([200, { ok: true }]);
    expect([writes(world), world.server.config.log.level]).toEqual([0, "info"]);
  });
});

describe("viewers", () => {
  test("of a profile that stays as it was lose no packet; those of one that changes are sent away", () => {
    const world = start();
    const [stays, goes] = [playing(world, "/live/back"), playing(world, "/live/front")];
    const mjpeg = askAndStay(world, "GET", "/back", { login: ADMIN }).peer;
    stays.watch(500_000);
    const body = { profiles: [{ path: "/live/front", camera: "front", width: 640, height: 360 }] };
    expect(asAdmin(world, "PATCH", "/api/config", body).status).toBe(200);
    stays.watch(500_000);
    expect([stays.peer.state, goes.peer.state === "open", mjpeg.state]).toEqual(["open", false, "open"]);
    const sequences = stays.rtp().map(({ sequence }) => sequence);
    expect(sequences.length).toBeGreaterThan(50);
    for (const [at, sequence] of sequences.entries())
      if (at > 0) expect(sequence).toBe((sequences[at - 1]! + 1) & 0xffff);
    expect(world.server.profiles.byKey("/live/back")!.encoder.figures(world.host.nowUs).opened).toBe(1);
  });

  test("whose user's password changes are sent away, and others stay", () => {
    const world = start();
    const [owner, guest] = [ADMIN, VIEWER].map((login) => askAndStay(world, "GET", "/back", { login }).peer);
    const users = [MASKED_USERS[0], { name: VIEWER.name, role: "viewer", password: "another password" }];
    asAdmin(world, "PATCH", "/api/config", { users });
    world.host.advance(world.core, 200_000);
    expect([owner!.state, guest!.state === "open"]).toEqual(["open", false]);
  });
});

describe("two who change it", () => {
  test("are told by If-Match who was second", () => {
    const world = start();
    const etag = asAdmin(world, "GET", "/api/config").headers.get("etag")!;
    const patch = (level: string, match: string) =>
      asAdmin(world, "PATCH", "/api/config", { log: { level } }, { headers: { "If-Match": match } });
    expect(patch("warn", `"other", ${etag}`).status).toBe(200);
    const second = patch("error", etag);
    expect([second.status, errorOf(second)]).toMatchObject([
      412,
      { code: "changed-meanwhile", path: "header.If-Match" },
    ]);
    expect(patch("error", second.headers.get("etag")!).status).toBe(200);
    expect(patch("warn", "*").status).toBe(200);
    expect(world.server.config.log.level).toBe("warn");
  });

  test("do not write over a file whose fault the operator is about to mend, but a PUT replaces it", () => {
    const world = start();
    const edit = (text: string): void => {
      world.host.stored.config = { state: "present", text };
      world.host.push({ type: "config" });
      world.host.settle(world.core);
    };
    edit('{ "log": { "level": "warn" ');
    const patch = asAdmin(world, "PATCH", "/api/config", { rtsp: { udp: false } });
    expect([patch.status, errorOf(patch).code]).toEqual([409, "file-changed"]);
    const headers = { "If-Match": asAdmin(world, "GET", "/api/config").headers.get("etag")! };
    expect(asAdmin(world, "PUT", "/api/config", written(world), { headers }).status).toBe(409);
    expect(asAdmin(world, "PUT", "/api/config", written(world)).status).toBe(200);
    expect(fileOf(world)).toMatchObject({ http: { morePorts: [8090] } });
    expect(asAdmin(world, "PATCH", "/api/config", { rtsp: { udp: false } }).status).toBe(200);
  });

  test("an ETag does not come back by itself, nor tell a secret: it is of this run", () => {
    const etags = [start(), start()].map((world, at) => {
      if (at === 0) return asAdmin(world, "GET", "/api/config").headers.get("etag");
      const next = new FakeHost();
      next.random(5);
      next.stored.config = world.host.stored.config;
      return asAdmin(startServer({ auth: {} }, next), "GET", "/api/config").headers.get("etag");
    });
    expect(etags[0]).not.toBe(etags[1]);
  });
});

describe("storing it", () => {
  test("is told to the host, and its own word that the file has changed does nothing again", () => {
    const world = start();
    asAdmin(world, "PATCH", "/api/config", { log: { level: "debug" } });
    expect(world.host.configResults.at(-1)).toMatchObject({ state: "accepted", logins: "configured" });
    const before = eventsOf(world, "config.changed").length;
    const player = playing(world, "/live/back");
    world.host.push({ type: "config" });
    player.watch(200_000);
    expect(eventsOf(world, "config.changed")).toHaveLength(before);
    expect(player.peer.state).toBe("open");
  });

  test("by a host that keeps the sealed form, and shows the operator a masked one, makes no difference", () => {
    const world = start();
    const { host } = world;
    for (const form of ["text", "masked"] as const) {
      const told = host.configResults.at(-1);
      if (told?.state !== "accepted") throw new Error("not accepted");
      host.stored.config = { state: "present", text: told[form]! };
      expect(asAdmin(world, "PATCH", "/api/config", { log: { level: "warn" } }).status).toBe(200);
      host.stored.config = { state: "present", text: told[form]! };
      host.push({ type: "config" });
      host.settle(world.core);
      expect([canLogIn(world, ADMIN), canLogIn(world, VIEWER)]).toEqual([true, true]);
    }
  });

  test("that the disk refuses is a 503, and nothing changes", () => {
    const world = start();
    world.host.fail("configWrite", Code.FAILED);
    const response = asAdmin(world, "PATCH", "/api/config", { log: { level: "debug" } });
    expect([response.status, errorOf(response).code]).toEqual([503, "not-stored"]);
    expect([world.server.config.log.level, written(world)]).toMatchObject(["info", { users: MASKED_USERS }]);
    expect(written(world)).not.toHaveProperty("log");
  });

  test("where there is no place for it makes it hold for this run, and says so", () => {
    const host = new FakeHost();
    host.canStore = false;
    const world = startServer({}, host);
    const patch = (body: unknown) => jsonOf(ask(world, "PATCH", "/api/config", { body }));
    expect(patch({ log: { level: "debug" } })).toMatchObject({ persisted: false });
    expect(patch({ rtsp: { udp: false } })).toMatchObject({ persisted: false });
    expect(jsonOf(ask(world, "GET", "/api/config"))).toEqual({ log: { level: "debug" }, rtsp: { udp: false } });
    expect([world.server.config.log.level, world.server.config.rtsp.udp]).toEqual(["debug", false]);
  });

  test("makes a file where there was none", () => {
    const world = startServer();
    expect(jsonOf(ask(world, "PUT", "/api/config", { body: {} }))).toMatchObject({ persisted: true });
    expect(fileOf(world)).toEqual({});
  });

  test("of a new port opens it, while the connection that asked stays", () => {
    const world = start();
    const { peer, response } = askAndStay(world, "PATCH", "/api/config", {
      login: ADMIN,
      body: { http: { morePorts: [8091] } },
    });
    world.host.settle(world.core);
    expect([response.status, peer.state]).toEqual([200, "open"]);
    expect(world.host.connect(8091).state).toBe("open");
    expect(() => world.host.connect(8090)).toThrow("nothing listens");
  });
});
