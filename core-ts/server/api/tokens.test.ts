/** Stream tokens: what one opens, what it does not, and where it shows. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FakeHost } from "../../../test/fakes/fake-host.ts";
import { type Micros, seconds } from "../../time/units.ts";
import { TOKENS_MAX } from "../stream-tokens.ts";
import { HTTP_PORT, type Response, RTSP_PORT, RtspClient, startServer, type World } from "../testing.ts";
import { ADMIN, ask, askAndStay, errorOf, requestText, startWithLogins, VIEWER } from "./testing.ts";

const WRONG = "0".repeat(32);

type Made = {
  readonly token: string;
  readonly paths: readonly string[];
  readonly details: Record<string, unknown> & { readonly id: string };
  readonly persisted: boolean;
};

const asAdmin = (world: World, method: string, target: string, body?: unknown): Response =>
  ask(world, method, target, { login: ADMIN, ...(body === undefined ? {} : { body }) });

function make(world: World, body: Record<string, unknown> = { stream: "back", user: VIEWER.name }): Made {
  const response = asAdmin(world, "POST", "/api/tokens", body);
  expect(response.status).toBe(201);
  return JSON.parse(response.body) as Made;
}

const listed = (world: World): Record<string, unknown>[] =>
  (JSON.parse(asAdmin(world, "GET", "/api/tokens").body) as { tokens: Record<string, unknown>[] }).tokens;

/** Status of a GET without a login, and the time until the answer. */
function timed(world: World, target: string, address = "127.0.0.1"): { status: number; us: Micros } {
  const from = world.host.nowUs;
  const peer = world.host.connect(HTTP_PORT, { address });
  peer.send(requestText("GET", target));
  world.host.settle(world.core);
  let text = peer.text();
  for (let waits = 0; text === "" && waits < 1_000; waits++) {
    world.host.advance(world.core, 10_000);
    text = peer.text();
  }
  peer.drop();
  world.host.settle(world.core);
  return { status: Number(text.split(" ")[1]), us: world.host.nowUs - from };
}

describe("a stream token", () => {
  test("is 128 random bits, shown once; what is kept and listed does not give it away", () => {
    const world = startWithLogins();
    const { token, paths, details, persisted } = make(world);
    expect(token).toMatch(/^[0-9a-f]{32}$/);
    expect(make(world).token).not.toBe(token);
    expect(persisted).toBe(true);
    expect(paths).toEqual([`/back?token=${token}`, `/back/snapshot.jpg?token=${token}`]);
    expect(listed(world)[0]).toEqual(details);
    expect(details).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}$/),
      starts: token.slice(0, 4),
      user: "guest",
      stream: "back",
      created: expect.stringMatching(/^20\d\d-.*Z$/),
      lastUsed: null,
    });
    const stored = JSON.stringify(world.host.stored.state);
    expect(stored).toContain(createHash("sha256").update(token).digest("hex"));
    for (const text of [stored, JSON.stringify(listed(world))]) expect(text).not.toContain(token);
  });

  test("opens its stream and the snapshots, by every name they have", () => {
    const world = startWithLogins();
    const { token } = make(world);
    for (const path of ["/back", "/Back/", "/live/back/mjpeg", "/back/snapshot.jpg", "/LIVE/Back/mjpeg/snapshot.jpg"]) {
      const response = ask(world, "GET", `${path}?token=${token}`);
      expect([path, response.status]).toEqual([path, 200]);
    }
    const head = ask(world, "HEAD", `/back/snapshot.jpg?token=${token}`);
    expect(head.status).toBe(200);
  });

  test("of a profile's path opens that one", () => {
    const world = startWithLogins();
    const { token } = make(world, { stream: "/live/FRONT/mjpeg", user: "guest" });
    expect(ask(world, "GET", `/front?token=${token}`).status).toBe(200);
    expect(ask(world, "GET", `/back?token=${token}`).status).toBe(403);
  });

  test("opens nothing else: not another stream, not another route, and never a change", () => {
    const world = startWithLogins();
    const { token } = make(world, { stream: "back", user: ADMIN.name });
    const other = ask(world, "GET", `/front/snapshot.jpg?token=${token}`);
    expect([other.status, errorOf(other).code]).toEqual([403, "bad-token"]);
    for (const target of ["/", "/api/status", "/api/events", "/api/users", "/api/config", "/nothing"]) {
      expect([target, ask(world, "GET", `${target}?token=${token}`).status]).toEqual([target, 401]);
    }
    const command = "/api/commands/stop-mjpeg-server";
    expect(ask(world, "POST", `${command}?token=${token}`, { body: {} }).status).toBe(401);
    expect(ask(world, "POST", `/back?token=${token}`, { body: {} }).status).toBe(401);
  });

  test("does not open the stream over RTSP", () => {
    const world = startWithLogins();
    const { token } = make(world);
    const rtsp = new RtspClient(world);
    expect(rtsp.request("DESCRIBE", `rtsp://127.0.0.1:${RTSP_PORT}/live/back?token=${token}`).status).toBe(401);
  });

  test("counts where it is given, whatever login comes with it", () => {
    const world = startWithLogins();
    const { token } = make(world);
    expect(ask(world, "GET", `/back?token=${WRONG}`, { login: ADMIN }).status).toBe(403);
    expect(ask(world, "GET", `/back?token=${token}`, { login: { ...ADMIN, password: "wrong" } }).status).toBe(200);
  });

  test("is refused with a 403, for which no browser asks for a login in front of another site's page", () => {
    const world = startWithLogins();
    for (const token of [WRONG, "", "x", "%00", "é", WRONG.slice(1)]) {
      const response = ask(world, "GET", `/back?token=${encodeURI(token)}`);
      expect([response.status, response.headers.has("www-authenticate")]).toEqual([403, false]);
      world.host.advance(world.core, seconds(600));
    }
  });

  test("names its user as the viewer, and when it was used", () => {
    const world = startWithLogins();
    const { token } = make(world);
    const usedAt = new Date((world.host.nowUs + world.host.wallOffsetUs) / 1_000).toISOString();
    askAndStay(world, "GET", `/back?token=${token}`);
    expect(world.server.viewers.list(world.host.nowUs)).toMatchObject([{ user: "guest", path: "/back" }]);
    expect(listed(world)[0]!.lastUsed).toBe(usedAt);
  });

  test("has its use stored once an hour, not with every picture", () => {
    const world = startWithLogins();
    const { token } = make(world);
    const writes = () => world.host.called("configWrite").length;
    const before = writes();
    const use = () => ask(world, "GET", `/back/snapshot.jpg?token=${token}`);
    for (let i = 0; i < 5; i++) use();
    expect(writes() - before).toBe(1);
    world.host.advance(world.core, seconds(3_590));
    use();
    expect(writes() - before).toBe(1);
    world.host.advance(world.core, seconds(20));
    use();
    expect(writes() - before).toBe(2);
  });

  test("stands in no log line and no event, and its answers keep it from the next site", () => {
    const world = startWithLogins({ log: { level: "debug" } });
    const { token } = make(world);
    const answers = [
      ask(world, "GET", `/back?token=${token}`),
      ask(world, "GET", `/back/snapshot.jpg?token=${token}`),
      ask(world, "GET", `/front?token=${token}`),
      ask(world, "GET", `/back?token=${WRONG}`),
      ask(world, "GET", `/nothing?token=${token}`),
    ];
    for (const { headers } of answers) expect(headers.get("referrer-policy")).toBe("no-referrer");
    // Also when the request can't be read.
    const peer = world.host.connect(HTTP_PORT);
    peer.send(`GET /back?token=${token} HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header: 1\r\n\r\n`);
    world.host.settle(world.core);
    expect(peer.text()).toMatch(/^HTTP\/1\.1 400 /);
    expect(world.host.logs.length).toBeGreaterThan(10);
    const told = JSON.stringify([world.host.logs, world.server.runtime.events.since(0), world.server.status()]);
    for (const secret of [token, WRONG]) expect(told).not.toContain(secret);
    expect(told).toContain('"login.failed"');
  });
});

describe("a wrong token", () => {
  test("slows its address down as a wrong password does, over both protocols, and no other address", () => {
    const world = startWithLogins();
    const { token } = make(world);
    const delays = [0, 0, 250, 500, 1_000].map(() => Math.round(timed(world, `/back?token=${WRONG}`).us / 10_000) * 10);
    expect(delays).toEqual([0, 0, 250, 500, 1_000]);
    // A right one is held too and clears nothing: it says nothing of passwords.
    for (let i = 0; i < 2; i++) {
      const right = timed(world, `/back/snapshot.jpg?token=${token}`);
      expect(right.status).toBe(200);
      expect(right.us).toBeGreaterThanOrEqual(1_000_000);
    }
    expect(timed(world, `/back?token=${WRONG}`, "192.0.2.9").us).toBeLessThan(10_000);
    const rtsp = new RtspClient(world);
    const from = world.host.nowUs;
    const Authorization = `Basic ${btoa("guest:wrong")}`;
    expect(rtsp.request("DESCRIBE", `rtsp://127.0.0.1:${RTSP_PORT}/live/back`, { Authorization }).status).toBe(401);
    expect(world.host.nowUs - from).toBeGreaterThanOrEqual(2_000_000);
  });
});

describe("a token's end", () => {
  test("comes with its revocation: its stream ends, others go on", () => {
    const world = startWithLogins();
    const gone = make(world);
    const stays = make(world);
    const open = (token: string) => askAndStay(world, "GET", `/back?token=${token}`).peer;
    const peers = [open(gone.token), open(stays.token), askAndStay(world, "GET", "/back", { login: VIEWER }).peer];
    expect(asAdmin(world, "DELETE", `/api/tokens/${gone.details.id}`).status).toBe(204);
    world.host.advance(world.core, 200_000);
    expect(peers.map(({ state }) => state === "open")).toEqual([false, true, true]);
    expect(ask(world, "GET", `/back?token=${gone.token}`).status).toBe(403);
    expect(listed(world).map(({ id }) => id)).toEqual([stays.details.id]);
    expect(asAdmin(world, "DELETE", `/api/tokens/${gone.details.id}`).status).toBe(404);
  });

  test("comes while it waits for the first picture", () => {
    const world = startWithLogins();
    const { token, details } = make(world);
    world.host.encoding = false;
    const peer = world.host.connect(HTTP_PORT);
    peer.send(requestText("GET", `/back?token=${token}`));
    world.host.settle(world.core);
    asAdmin(world, "DELETE", `/api/tokens/${details.id}`);
    world.host.encoding = true;
    world.host.advance(world.core, 1_000_000);
    expect([peer.text(), peer.state === "open"]).toEqual(["", false]);
  });

  test("comes while it is held because of others' wrong ones", () => {
    const world = startWithLogins();
    const { token, details } = make(world);
    for (let i = 0; i < 5; i++) timed(world, `/back?token=${WRONG}`);
    const peer = world.host.connect(HTTP_PORT, { address: "127.0.0.1" });
    peer.send(requestText("GET", `/back?token=${token}`));
    world.host.settle(world.core);
    const Authorization = `Basic ${btoa(`${ADMIN.name}:${ADMIN.password}`)}`;
    const admin = world.host.connect(HTTP_PORT, { address: "192.0.2.9" });
    admin.send(requestText("DELETE", `/api/tokens/${details.id}`, { headers: { Authorization } }));
    world.host.settle(world.core);
    expect(admin.text()).toMatch(/^HTTP\/1\.1 204 /);
    world.host.advance(world.core, 2_000_000);
    expect(peer.text()).toMatch(/^HTTP\/1\.1 403 /);
  });

  test("comes with its user's removal, here or from the configuration, and a new password leaves it", () => {
    const host = new FakeHost();
    const users = [
      { ...ADMIN, role: "admin" },
      { ...VIEWER, role: "viewer" },
    ];
    host.stored.config = { state: "present", text: JSON.stringify({ users }) };
    const world = startServer({ auth: {} }, host);
    asAdmin(world, "POST", "/api/users", { name: "anna", password: "choose your own" });
    const annas = make(world, { stream: "back", user: "anna" });
    const guests = make(world);
    const peers = [annas, guests].map(({ token }) => askAndStay(world, "GET", `/back?token=${token}`).peer);
    asAdmin(world, "PATCH", "/api/users/anna", { password: "another password" });
    world.host.advance(world.core, 200_000);
    expect(peers.map(({ state }) => state)).toEqual(["open", "open"]);
    asAdmin(world, "DELETE", "/api/users/anna");
    world.host.advance(world.core, 200_000);
    expect(peers.map(({ state }) => state === "open")).toEqual([false, true]);
    host.stored.config = { state: "present", text: JSON.stringify({ users: users.slice(0, 1) }) };
    host.push({ type: "config" });
    world.host.advance(world.core, 200_000);
    expect(peers.map(({ state }) => state === "open")).toEqual([false, false]);
    expect(listed(world)).toEqual([]);
    expect(JSON.stringify(host.stored.state)).not.toContain(guests.details.id);
    // A namesake does not inherit it.
    asAdmin(world, "POST", "/api/users", { name: "anna", password: "choose your own" });
    expect(ask(world, "GET", `/back?token=${annas.token}`).status).toBe(403);
  });
});

describe("making one", () => {
  test("is for whoever asks, unless another user is named", () => {
    const world = startWithLogins();
    expect(make(world, { stream: "back" }).details.user).toBe("owner");
  });

  test.each([
    ["no such camera", { stream: "attic" }, "stream"],
    ["a profile without pictures", { stream: "/live/back" }, "stream"],
    ["no such user", { stream: "back", user: "nobody" }, "user"],
    ["no stream", {}, "stream"],
  ])("is refused for %s", (_, body, path) => {
    const response = asAdmin(startWithLogins(), "POST", "/api/tokens", body);
    expect([response.status, errorOf(response).path]).toEqual([400, path]);
  });

  test("is bounded", () => {
    const world = startWithLogins();
    for (let i = 0; i < TOKENS_MAX; i++) make(world);
    const response = asAdmin(world, "POST", "/api/tokens", { stream: "back" });
    expect([response.status, errorOf(response).code]).toEqual([409, "too-many-tokens"]);
  });
});

test("tokens outlast a start where they can be stored, and the answer says where not", () => {
  const world = startWithLogins();
  const { token } = make(world);
  const next = new FakeHost();
  next.stored.state = world.host.stored.state;
  const users = [
    { ...ADMIN, role: "admin" },
    { ...VIEWER, role: "viewer" },
  ];
  expect(ask(startServer({ auth: { enabled: true }, users }, next), "GET", `/back?token=${token}`).status).toBe(200);

  const forgetful = startWithLogins();
  forgetful.host.canStore = false;
  const made = make(forgetful);
  expect(made.persisted).toBe(false);
  expect(ask(forgetful, "GET", `/back?token=${made.token}`).status).toBe(200);
});
