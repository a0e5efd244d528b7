/** Users that are added, changed and removed while the server runs. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Code } from "../../../bindings/contract/host.ts";
import { FakeHost } from "../../../test/fakes/fake-host.ts";
import { STORED_USERS_MAX } from "../logins.ts";
import { HTTP_PORT, type Response, RTSP_PORT, RtspClient, startServer, type World } from "../testing.ts";
import { ADMIN, type Asked, ask, askAndStay, errorOf, type Login, startWithLogins, VIEWER } from "./testing.ts";

const ANNA = { name: "anna", password: "choose your own" };
const BEN = { name: "ben", password: "another password" };

const jsonOf = (response: Response): unknown => JSON.parse(response.body);
const asAdmin = (world: World, method: string, target: string, body?: unknown): Response =>
  ask(world, method, target, { login: ADMIN, ...(body === undefined ? {} : { body }) });

/** A server without users in its configuration, and the login that it made up. */
function startAlone(host = new FakeHost(), config: Record<string, unknown> = {}): { world: World; owner: Login } {
  const world = startServer({ auth: { enabled: true }, ...config }, host);
  return { world, owner: host.login ?? { name: "nobody", password: "nothing" } };
}

/** The same host after the end of its server: what was stored is still there. */
function again(host: FakeHost, config: Record<string, unknown> = {}): { world: World; host: FakeHost } {
  const next = new FakeHost();
  next.stored.state = host.stored.state;
  next.random(9);
  return { world: startServer({ auth: { enabled: true }, ...config }, next), host: next };
}

const basic = ({ name, password }: Login) => ({ Authorization: `Basic ${btoa(`${name}:${password}`)}` });
const canLogIn = (world: World, login: Login): boolean => ask(world, "GET", "/api/status", { login }).status === 200;

function namesOf(world: World, login: Login): [string, string, string, boolean][] {
  const { users } = jsonOf(ask(world, "GET", "/api/users", { login })) as {
    users: { name: string; role: string; origin: string; usable: boolean }[];
  };
  return users.map(({ name, role, origin, usable }) => [name, role, origin, usable]);
}

/** A player over RTSP who logs in with every request. */
function play(world: World, login: Login): RtspClient {
  const client = new RtspClient(world);
  const url = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
  client.expect(200, client.request("DESCRIBE", url, basic(login)));
  const transport = { Transport: "RTP/AVP/TCP;unicast;interleaved=0-1" };
  client.expect(200, client.request("SETUP", `${url}/trackID=0`, { ...basic(login), ...transport }));
  client.expect(200, client.request("PLAY", url, basic(login)));
  return client;
}

describe("a user who is added", () => {
  test("is listed, logs in over RTSP and HTTP at once, and is a viewer unless told otherwise", () => {
    const world = startWithLogins();
    const added = asAdmin(world, "POST", "/api/users", ANNA);
    expect(added.status).toBe(201);
    expect(added.headers.get("location")).toBe("/api/users/anna");
    expect(jsonOf(added)).toEqual({
      user: { name: "anna", role: "viewer", origin: "api", usable: true },
      persisted: true,
    });
    expect(namesOf(world, ADMIN)).toEqual([
      ["owner", "admin", "config", true],
      ["guest", "viewer", "config", true],
      ["anna", "viewer", "api", true],
    ]);
    expect(canLogIn(world, ANNA)).toBe(true);
    expect(ask(world, "GET", "/api/users", { login: ANNA }).status).toBe(403);
    expect(play(world, ANNA).peer.state).toBe("open");
  });

  test("is there after the next start, and kept as HA1 of both kinds, never in clear", () => {
    const host = new FakeHost();
    const { world, owner } = startAlone(host);
    expect(ask(world, "POST", "/api/users", { login: owner, body: { ...ANNA, role: "admin" } }).status).toBe(201);
    const stored = JSON.stringify(host.stored.state);
    const login = `anna:Porthole:${ANNA.password}`;
    expect(stored).toContain(createHash("md5").update(login).digest("hex"));
    expect(stored).toContain(createHash("sha256").update(login).digest("hex"));
    for (const text of [stored, JSON.stringify(host.logs)]) expect(text).not.toContain(ANNA.password);
    const next = again(host);
    expect(next.host.login).toBeUndefined();
    expect(canLogIn(next.world, ANNA)).toBe(true);
    expect(canLogIn(next.world, owner)).toBe(true);
  });

  test.each([
    ["a short password", { name: "anna", password: "seven 7" }, "password"],
    ["a long password", { name: "anna", password: "x".repeat(129) }, "password"],
    ["a password with a line end", { name: "anna", password: "choose\nyour own" }, "password"],
    ["no password", { name: "anna" }, "password"],
    ["an empty name", { ...ANNA, name: "" }, "name"],
    ["a long name", { ...ANNA, name: "n".repeat(65) }, "name"],
    ["a name with a colon", { ...ANNA, name: "an:na" }, "name"],
    ["a name with a slash", { ...ANNA, name: "an/na" }, "name"],
    ["a name that is a path's own", { ...ANNA, name: ".." }, "name"],
    ["an unknown role", { ...ANNA, role: "owner" }, "role"],
    ["a hash", { ...ANNA, ha1: { md5: "0".repeat(32) } }, "ha1"],
  ])("is refused with %s, which the answer does not repeat", (_, body, path) => {
    const world = startWithLogins();
    const response = asAdmin(world, "POST", "/api/users", body);
    expect([response.status, errorOf(response).path]).toEqual([400, path]);
    if ("password" in body) expect(response.body).not.toContain(JSON.stringify(body.password).slice(1, -1));
    expect(world.host.called("configWrite")).toEqual([]);
  });

  test("is refused when the name is taken, by whomever", () => {
    const world = startWithLogins();
    asAdmin(world, "POST", "/api/users", ANNA);
    for (const name of ["anna", "guest"]) {
      const response = asAdmin(world, "POST", "/api/users", { ...BEN, name });
      expect([response.status, errorOf(response).code]).toEqual([409, "user-exists"]);
    }
    expect(canLogIn(world, ANNA)).toBe(true);
  });

  test("may have any name that a login can have", () => {
    const world = startWithLogins();
    // The wire is UTF-8; the tests' requests are one character a byte.
    const wire = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
    const body = wire(JSON.stringify({ name: "Żółć & co", password: "grüße, €uropa" }));
    const added = asAdmin(world, "POST", "/api/users", body);
    expect(added.status).toBe(201);
    const path = `/api/users/${encodeURIComponent("Żółć & co")}`;
    expect(added.headers.get("location")).toBe(path);
    const login = { name: wire("Żółć & co"), password: wire("grüße, €uropa") };
    expect(canLogIn(world, login)).toBe(true);
    expect(asAdmin(world, "DELETE", path).status).toBe(204);
    expect(canLogIn(world, login)).toBe(false);
  });

  test("is one of a bounded number", () => {
    const world = startWithLogins();
    for (let i = 0; i < STORED_USERS_MAX; i++) {
      expect(asAdmin(world, "PUT", `/api/users/user${i}`, { password: ANNA.password, role: "viewer" }).status).toBe(
        201,
      );
    }
    expect(errorOf(asAdmin(world, "POST", "/api/users", ANNA)).code).toBe("too-many-users");
    expect(asAdmin(world, "PUT", "/api/users/user0", { password: BEN.password, role: "viewer" }).status).toBe(200);
  });
});

describe("a user who is changed", () => {
  test("is set by PUT whether there before or not, and partly by PATCH", () => {
    const world = startWithLogins();
    expect(asAdmin(world, "PUT", "/api/users/anna", { password: ANNA.password, role: "viewer" }).status).toBe(201);
    expect(asAdmin(world, "PUT", "/api/users/anna", { password: BEN.password, role: "admin" }).status).toBe(200);
    expect([canLogIn(world, ANNA), canLogIn(world, { ...BEN, name: "anna" })]).toEqual([false, true]);
    expect(jsonOf(asAdmin(world, "PATCH", "/api/users/anna", { role: "viewer" }))).toMatchObject({
      user: { role: "viewer" },
    });
    expect(canLogIn(world, { ...BEN, name: "anna" })).toBe(true);
    expect(asAdmin(world, "PATCH", "/api/users/anna", { password: ANNA.password }).status).toBe(200);
    expect(canLogIn(world, ANNA)).toBe(true);
    expect(asAdmin(world, "PATCH", "/api/users/anna", {}).status).toBe(200);
    expect(errorOf(asAdmin(world, "PATCH", "/api/users/ben", { role: "viewer" })).code).toBe("no-such-user");
  });

  test("loses what was begun with the old password, and keeps it when only the role changes", () => {
    const world = startWithLogins();
    asAdmin(world, "POST", "/api/users", ANNA);
    const player = play(world, ANNA);
    asAdmin(world, "PATCH", "/api/users/anna", { role: "admin" });
    player.watch(200_000);
    expect(player.peer.state).toBe("open");
    asAdmin(world, "PATCH", "/api/users/anna", { password: BEN.password });
    player.watch(200_000);
    expect(player.peer.state).not.toBe("open");
    expect(world.server.viewers.count).toBe(0);
  });
});

describe("a user who is removed", () => {
  test("loses sessions, streams and event streams, and nobody else does", () => {
    const world = startWithLogins();
    asAdmin(world, "POST", "/api/users", ANNA);
    const login = { login: ANNA };
    const own = [
      play(world, ANNA).peer,
      askAndStay(world, "GET", "/back", login).peer,
      askAndStay(world, "GET", "/api/events", login).peer,
    ];
    const others = [play(world, VIEWER).peer, askAndStay(world, "GET", "/back", { login: VIEWER }).peer];
    expect(asAdmin(world, "DELETE", "/api/users/anna").status).toBe(204);
    world.host.advance(world.core, 200_000);
    expect(own.map(({ state }) => state === "open")).toEqual([false, false, false]);
    expect(others.map(({ state }) => state)).toEqual(["open", "open"]);
    expect(canLogIn(world, ANNA)).toBe(false);
    expect(asAdmin(world, "DELETE", "/api/users/anna").status).toBe(404);
  });

  test("gets no picture that was asked for before", () => {
    const world = startWithLogins();
    asAdmin(world, "POST", "/api/users", ANNA);
    world.host.encoding = false;
    const peer = world.host.connect(HTTP_PORT);
    peer.send(`GET /back HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${basic(ANNA).Authorization}\r\n\r\n`);
    world.host.settle(world.core);
    asAdmin(world, "DELETE", "/api/users/anna");
    world.host.encoding = true;
    world.host.advance(world.core, 2_000_000);
    expect([peer.text(), peer.state === "open"]).toEqual(["", false]);
    expect(world.server.viewers.count).toBe(0);
  });

  test("may be whoever asks: the answer still comes", () => {
    const world = startWithLogins();
    asAdmin(world, "POST", "/api/users", { ...ANNA, role: "admin" });
    const { peer, response } = askAndStay(world, "DELETE", "/api/users/anna", { login: ANNA });
    expect([response.status, peer.state]).toEqual([204, "open"]);
    expect(ask(world, "GET", "/api/status", { login: ANNA }).status).toBe(401);
  });
});

describe("the last admin", () => {
  test("can't be removed or made a viewer, until there is another", () => {
    const { world, owner } = startAlone();
    const asOwner: Asked = { login: owner };
    const path = `/api/users/${owner.name}`;
    const refusals = [
      ask(world, "DELETE", path, asOwner),
      ask(world, "PATCH", path, { ...asOwner, body: { role: "viewer" } }),
      ask(world, "PUT", path, { ...asOwner, body: { password: ANNA.password, role: "viewer" } }),
    ];
    expect(refusals.map((response) => [response.status, errorOf(response).code])).toEqual(
      refusals.map(() => [409, "last-admin"]),
    );
    expect(canLogIn(world, owner)).toBe(true);
    expect(ask(world, "POST", "/api/users", { ...asOwner, body: { ...ANNA, role: "admin" } }).status).toBe(201);
    expect(ask(world, "DELETE", path, asOwner).status).toBe(204);
    expect(errorOf(ask(world, "DELETE", "/api/users/anna", { login: ANNA })).code).toBe("last-admin");
  });
});

describe("a user of the configuration", () => {
  test("is changed there, not here", () => {
    const world = startWithLogins();
    const refusals = [
      asAdmin(world, "DELETE", "/api/users/guest"),
      asAdmin(world, "PATCH", "/api/users/guest", { role: "admin" }),
      asAdmin(world, "PUT", "/api/users/guest", { password: ANNA.password, role: "admin" }),
    ];
    for (const response of refusals) {
      expect([response.status, errorOf(response).code]).toEqual([409, "configured-user"]);
      expect(errorOf(response).message).toContain("PATCH /api/config");
    }
    expect(canLogIn(world, VIEWER)).toBe(true);
  });

  test("counts before an added one of the same name, who comes back when it goes", () => {
    const host = new FakeHost();
    const { world, owner } = startAlone(host);
    ask(world, "POST", "/api/users", { login: owner, body: ANNA });
    const configured = { ...ANNA, password: "the operator's" };
    const second = again(host, { users: [{ ...configured, role: "admin" }] });
    expect([canLogIn(second.world, ANNA), canLogIn(second.world, configured)]).toEqual([false, true]);
    expect(namesOf(second.world, configured)).toEqual([["anna", "admin", "config", true]]);
    expect(errorOf(ask(second.world, "DELETE", "/api/users/anna", { login: configured })).code).toBe("configured-user");
    expect(canLogIn(again(second.host).world, ANNA)).toBe(true);
  });
});

describe("the generated login", () => {
  test("stays until it is removed, and then stays away as long as there is an admin", () => {
    const host = new FakeHost();
    const { world, owner } = startAlone(host);
    ask(world, "POST", "/api/users", { login: owner, body: { ...ANNA, role: "admin" } });
    expect(namesOf(world, owner)).toEqual([
      [owner.name, "admin", "generated", true],
      ["anna", "admin", "api", true],
    ]);
    expect(host.configResults.at(-1)).toEqual({ state: "accepted", logins: "generated" });
    ask(world, "DELETE", `/api/users/${owner.name}`, { login: ANNA });
    expect(host.configResults.at(-1)).toEqual({ state: "accepted", logins: "configured" });
    const second = again(host);
    expect([second.host.login, canLogIn(second.world, owner)]).toEqual([undefined, false]);
  });

  test("is made beside users who may only watch, and becomes one's own with another password", () => {
    const host = new FakeHost();
    const { world, owner } = startAlone(host);
    ask(world, "POST", "/api/users", { login: owner, body: ANNA });
    ask(world, "PATCH", `/api/users/${owner.name}`, { login: owner, body: { password: BEN.password } });
    const own = { ...owner, password: BEN.password };
    expect(namesOf(world, own)).toEqual([
      [owner.name, "admin", "api", true],
      ["anna", "viewer", "api", true],
    ]);
    // An admin of one's own counts beside the configuration's users, which a generated one does not.
    const configured = again(host, { users: [{ ...ADMIN, role: "admin" }] });
    expect(canLogIn(configured.world, own)).toBe(true);
  });
});

describe("after the realm has changed", () => {
  test("added users wait for a new password, and an admin is generated if none is left", () => {
    const host = new FakeHost();
    const { world, owner } = startAlone(host);
    ask(world, "POST", "/api/users", { login: owner, body: { ...ANNA, role: "admin" } });
    const attic = again(host, { auth: { enabled: true, realm: "Attic" } });
    const made = attic.host.login!;
    expect([canLogIn(attic.world, ANNA), canLogIn(attic.world, owner)]).toEqual([false, false]);
    expect(namesOf(attic.world, made)).toEqual([
      ["anna", "admin", "api", false],
      ["porthole", "admin", "generated", true],
    ]);
    const body = { password: ANNA.password };
    expect(ask(attic.world, "PATCH", "/api/users/anna", { login: made, body }).status).toBe(200);
    expect(canLogIn(attic.world, ANNA)).toBe(true);
  });

  test("they can log in again when the old one comes back", () => {
    const host = new FakeHost();
    const { world, owner } = startAlone(host);
    ask(world, "POST", "/api/users", { login: owner, body: { ...ANNA, role: "admin" } });
    const attic = again(host, { auth: { enabled: true, realm: "Attic" } });
    expect(canLogIn(again(attic.host).world, ANNA)).toBe(true);
  });
});

describe("where nothing can be stored", () => {
  test("a user lasts for the run, and the answer says so", () => {
    const host = new FakeHost();
    host.canStore = false;
    const { world, owner } = startAlone(host);
    const added = ask(world, "POST", "/api/users", { login: owner, body: ANNA });
    expect([added.status, jsonOf(added)]).toMatchObject([201, { persisted: false }]);
    expect(canLogIn(world, ANNA)).toBe(true);
  });

  test("because the disk refuses, nothing changes", () => {
    const world = startWithLogins();
    asAdmin(world, "POST", "/api/users", ANNA);
    for (const [method, body] of [["DELETE"], ["PATCH", { password: BEN.password }]] as const) {
      world.host.fail("configWrite", Code.FAILED);
      const response = asAdmin(world, method, "/api/users/anna", body);
      expect([response.status, errorOf(response).code]).toEqual([503, "not-stored"]);
      expect(canLogIn(world, ANNA)).toBe(true);
    }
  });
});
