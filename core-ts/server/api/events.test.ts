import { describe, expect, test } from "vitest";
import { CONTROL_LANE_BYTES } from "../../../bindings/contract/host.ts";
import { FakeHost, type FakePeer } from "../../../test/fakes/fake-host.ts";
import { startServer, type World } from "../testing.ts";
import { EVENT_READERS_MAX } from "./event-readers.ts";
import { HEARTBEAT_US, REPLAY_MAX_CHARS } from "./event-routes.ts";
import { ADMIN, ask, askAndStay, errorOf, startWithLogins, VIEWER } from "./testing.ts";

type Event = {
  readonly id: number;
  readonly type: string;
  readonly data: Record<string, unknown>;
  readonly time: string;
};

/** The events of a stream's text, which must be nothing but events, comments and `retry`. */
function eventsOf(text: string): Event[] {
  const events: Event[] = [];
  for (const block of text.split("\n\n").slice(0, -1)) {
    if (block === ":" || /^retry: \d+$/.test(block)) continue;
    const match = /^id: (\d+)\nevent: ([a-z.]+)\ndata: (.*)$/.exec(block);
    if (match === null) throw new Error(`no event: ${JSON.stringify(block)}`);
    const event = JSON.parse(match[3]!) as Event;
    expect([String(event.id), event.type]).toEqual([match[1], match[2]]);
    events.push(event);
  }
  return events;
}

/** Makes `count` events. */
function shake(world: World, count: number): void {
  for (let i = 0; i < count; i++) {
    const name = i % 2 === 0 ? "stop-camera" : "start-camera";
    expect(ask(world, "POST", `/api/commands/${name}`, { body: { camera: "back" } }).status).toBe(200);
  }
}

function read(
  world: World,
  target = "/api/events",
  headers: Record<string, string> = {},
): FakePeer & { first: string } {
  const { peer, response } = askAndStay(world, "GET", target, { headers });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  return Object.assign(peer, { first: response.body });
}

const readerCount = (world: World): number =>
  (JSON.parse(ask(world, "GET", "/api/status").body) as { server: { eventStreams: number } }).server.eventStreams;

describe("the event stream", () => {
  test("begins with the next event, tells each once and in order", () => {
    const world = startServer();
    shake(world, 2);
    const peer = read(world);
    expect(eventsOf(peer.first)).toEqual([]);
    shake(world, 4);
    const events = eventsOf(peer.text());
    expect(events.map(({ type, data }) => [type, data.state])).toEqual([
      ["camera.state", "disabled"],
      ["camera.state", "ok"],
      ["camera.state", "disabled"],
      ["camera.state", "ok"],
    ]);
    for (const [index, { id }] of events.entries()) expect(id).toBe(events[0]!.id + index);
    expect(new Date(events[0]!.time).toISOString()).toBe(events[0]!.time);
  });

  test("goes on after the id that a reader has seen, by header or by parameter; the header wins", () => {
    const world = startServer();
    const peer = read(world);
    shake(world, 6);
    const ids = eventsOf(peer.text()).map(({ id }) => id);
    const replayed = (target: string, headers?: Record<string, string>) =>
      eventsOf(read(world, target, headers).first).map(({ id }) => id);
    expect(replayed(`/api/events?since=${ids[2]}`)).toEqual(ids.slice(3));
    expect(replayed("/api/events", { "Last-Event-ID": String(ids[3]) })).toEqual(ids.slice(4));
    expect(replayed(`/api/events?since=${ids[0]}`, { "Last-Event-ID": String(ids[4]) })).toEqual(ids.slice(5));
    expect(replayed("/api/events", { "Last-Event-ID": "nonsense" })).toEqual([]);
    expect(replayed(`/api/events?since=${ids.at(-1)}`)).toEqual([]);
  });

  test("ids go on rising when the server starts again, so that a reader of the first run misses nothing of the second", () => {
    const first = startServer();
    const peer = read(first);
    shake(first, 3);
    const lastId = eventsOf(peer.text()).at(-1)!.id;
    const host = new FakeHost();
    host.nowUs = first.host.nowUs + 60_000_000;
    const second = startServer({}, host);
    shake(second, 2);
    const all = eventsOf(read(second, "/api/events", { "Last-Event-ID": String(lastId) }).first);
    expect(all.map(({ type }) => type)).toEqual(["server.started", "camera.state", "camera.state"]);
  });

  test("an id that never was is of a run whose clock was ahead: everything is told", () => {
    const world = startServer();
    shake(world, 2);
    const all = eventsOf(read(world, "/api/events?since=0").first);
    expect(eventsOf(read(world, `/api/events?since=${all.at(-1)!.id + 1}`).first)).toEqual(all);
  });

  test("what was missed is told up to its bound, the newest of it", () => {
    const world = startServer();
    const issues = [{ path: "x".repeat(500), message: "y".repeat(500) }];
    const { events } = world.server.runtime;
    for (let i = 0; i < 500; i++) events.emit("config.refused", { issues });
    const { first } = read(world, "/api/events?since=0");
    expect(first.length).toBeLessThan(REPLAY_MAX_CHARS + 100);
    const told = eventsOf(first);
    expect(told.length).toBeGreaterThan(100);
    expect(told.at(-1)!.id).toBe(events.lastId);
  });

  test("a comment comes every 15 s, and nothing closes an idle stream", () => {
    const world = startServer();
    const peer = read(world);
    world.host.advance(world.core, 10 * HEARTBEAT_US + 1_000);
    expect(peer.text()).toBe(":\n\n".repeat(10));
    expect(peer.state).toBe("open");
  });

  test("HEAD gets the head and no events", () => {
    const world = startServer();
    const { peer, response } = askAndStay(world, "HEAD", "/api/events");
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    shake(world, 1);
    expect([peer.text(), peer.state, readerCount(world)]).toEqual(["", "flushed", 0]);
  });

  test("ends with its reader, whichever way that goes", () => {
    const world = startServer();
    const { runtime } = world.server;
    const owned = () => [runtime.events.listenerCount, runtime.timers.size, runtime.ownedHandles];
    const before = owned();
    const [left, reset] = [read(world), read(world)];
    expect(readerCount(world)).toBe(2);
    left.end();
    reset.drop();
    world.host.settle(world.core);
    expect(readerCount(world)).toBe(0);
    expect(owned()).toEqual(before);
  });

  test("counts apart from the viewers", () => {
    const world = startServer({ limits: { clients: 1 } });
    read(world);
    read(world);
    expect(ask(world, "GET", "/back/").status).toBe(200);
  });

  test(`of ${EVENT_READERS_MAX} there is none more`, () => {
    const world = startServer();
    const peers = Array.from({ length: EVENT_READERS_MAX }, () => read(world));
    const refused = ask(world, "GET", "/api/events");
    expect([refused.status, errorOf(refused).code, refused.headers.get("retry-after")]).toEqual([
      503,
      "too-many-readers",
      "5",
    ]);
    peers[7]!.end();
    world.host.settle(world.core);
    read(world);
  });

  test("a reader that takes nothing is dropped at its bound, and 49 others read on", () => {
    const world = startServer();
    const peers = Array.from({ length: 50 }, () => read(world));
    const stalled = peers[13]!;
    stalled.window = 0;
    const eventBytes = 150;
    const enough = Math.ceil(CONTROL_LANE_BYTES / eventBytes) * 2;
    let seen = 0;
    const others = peers.filter((peer) => peer !== stalled);
    for (let made = 0; made < enough && stalled.state === "open"; made += 100) {
      shake(world, 100);
      seen += 100;
      for (const peer of others) expect(eventsOf(peer.text())).toHaveLength(100);
    }
    expect(stalled.state).toBe("reset");
    expect(seen).toBeGreaterThan(500);
    expect(readerCount(world)).toBe(49);
    shake(world, 2);
    for (const peer of others) expect(eventsOf(peer.text())).toHaveLength(2);
  }, 30_000);

  test("a reader whose user is removed is sent away, and the others hear of it", () => {
    const host = new FakeHost();
    const configure = (...users: unknown[]): void => {
      host.stored.config = { state: "present", text: JSON.stringify({ users }) };
    };
    configure({ ...ADMIN, role: "admin" }, { ...VIEWER, role: "viewer" });
    const world = startServer({ auth: { enabled: true } }, host);
    const [removed, kept] = [VIEWER, ADMIN].map((login) => askAndStay(world, "GET", "/api/events", { login }).peer);
    configure({ ...ADMIN, role: "admin" });
    host.push({ type: "config" });
    host.settle(world.core);
    expect([removed!.state, kept!.state]).toEqual(["reset", "open"]);
    expect(eventsOf(kept!.text()).map(({ type }) => type)).toEqual(["user.removed", "config.changed"]);
  });

  test("tells of users and tokens that come, change and go, whoever did it, and nothing of their secrets", () => {
    const host = new FakeHost();
    const world = startServer({ auth: { enabled: true }, users: [{ ...ADMIN, role: "admin" }] }, host);
    const { peer } = askAndStay(world, "GET", "/api/events?since=0", { login: ADMIN });
    peer.take();
    const api = (method: string, target: string, body?: unknown): string =>
      ask(world, method, target, { login: ADMIN, ...(body === undefined ? {} : { body }) }).body;
    api("POST", "/api/users", { name: "anna", password: "annas-secret" });
    const { token, details } = JSON.parse(api("POST", "/api/tokens", { stream: "back", user: "anna" })) as {
      readonly token: string;
      readonly details: { readonly id: string };
    };
    expect(ask(world, "GET", `/back/snapshot.jpg?token=${token}`).status).toBe(200);
    api("PATCH", "/api/users/anna", { role: "admin" });
    api("PATCH", "/api/users/anna", { password: "another-secret" });
    api("PATCH", "/api/users/anna", { role: "admin" });
    api("DELETE", "/api/users/anna");
    const text = peer.text();
    const told = eventsOf(text).filter(({ type }) => /^(user|token)\./.test(type));
    const anna = (role: string) => ({ name: "anna", role, origin: "api" });
    const ofToken = { token: details.id, user: "anna", stream: "back" };
    expect(told.map(({ type, data }) => [type, data])).toEqual([
      ["user.added", anna("viewer")],
      ["token.added", ofToken],
      ["user.changed", { ...anna("admin"), changed: ["role"] }],
      ["user.changed", { ...anna("admin"), changed: ["password"] }],
      ["token.removed", ofToken],
      ["user.removed", anna("admin")],
    ]);
    expect(text).not.toMatch(new RegExp(`secret|${token}|ha1|sha256`));
  });

  test("says nothing of passwords", () => {
    const world = startWithLogins();
    const { peer } = askAndStay(world, "GET", "/api/events?since=0", { login: VIEWER });
    ask(world, "GET", "/api/status", { login: { name: "guest", password: "hunter2" } });
    expect(peer.text()).not.toMatch(/hunter2|Z3Vlc3Q6/);
  });
});
