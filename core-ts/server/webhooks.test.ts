import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Code } from "../../bindings/contract/host.ts";
import { FakeHost, type FakePeer } from "../../test/fakes/fake-host.ts";
import { valueIn } from "../../test/fakes/prometheus-text.ts";
import { ADMIN, ask, startWithLogins } from "./api/testing.ts";
import { startServer, type World } from "./testing.ts";
import { WEBHOOK_QUEUE_MAX, WEBHOOK_TRIES_MAX, WEBHOOK_TRY_US } from "./webhooks.ts";

const SECOND = 1_000_000;
const URL = "http://hooks.example:8123/in/door?key=a%20b";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

type Post = {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly event: { readonly type: string; readonly data: Readonly<Record<string, unknown>> };
};

function startWith(webhook: Record<string, unknown> = {}, host = new FakeHost()): World {
  return startServer({ webhooks: [{ url: URL, events: ["config.changed"], ...webhook }] }, host);
}

/** Something happens that the webhook is to be told of. */
function happen({ host, server, core }: World, by: "file" | "api" = "api"): void {
  server.runtime.events.emit("config.changed", { by });
  host.settle(core);
}

/** The receiver's end of the try that is under way. */
function far({ host }: World): FakePeer {
  return host.dialled.at(-1)!.peer;
}

function postOf(text: string): Post {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const [line = "", ...fields] = head.split("\r\n");
  const headers = Object.fromEntries(fields.map((field) => field.split(/: (.*)/).slice(0, 2)));
  return { line, headers, body, event: JSON.parse(body) };
}

/** Takes the request of the try under way, and answers. */
function answer(world: World, text = OK): Post {
  const peer = far(world);
  const post = postOf(peer.text());
  peer.send(text);
  world.host.settle(world.core);
  return post;
}

function sendAnd(peer: FakePeer, text: string, then: "end" | "drop"): void {
  peer.send(text);
  peer[then]();
}

const figures = (world: World) => world.server.webhooks.figures()[0]!;

describe("the status of a webhook", () => {
  const shown = (world: World) => (JSON.parse(world.server.status()) as { webhooks: unknown[] }).webhooks;

  test("has its place but not its path and secret, what waits, and the last error until a success", () => {
    const world = startWith({ secret: "choose your own" });
    const place = { hook: "hooks.example:8123", delivered: 0, failedTries: 0, lost: 0 };
    expect(shown(world)).toEqual([{ ...place, waiting: 0, state: "ok", lastError: null }]);
    happen(world);
    happen(world);
    answer(world, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    const failing = { state: "failing", lastError: "the receiver answers 503" };
    expect(shown(world)).toEqual([{ ...place, waiting: 2, failedTries: 1, ...failing }]);
    expect(world.server.status()).not.toMatch(/choose your own|\/in\/door|a%20b/);
    world.host.advance(world.core, SECOND);
    answer(world);
    expect(shown(world)).toMatchObject([{ waiting: 1, delivered: 1, state: "ok", lastError: null }]);
  });
});

describe("a webhook", () => {
  test("gets an event by POST, as event streams have it, to the path and query of its address", () => {
    const world = startWith();
    happen(world);
    expect(world.host.dialled[0]?.spec).toEqual({ host: "hooks.example", port: 8123, timeoutMs: 5_000 });
    const { line, headers, body, event } = answer(world);
    expect(line).toBe("POST /in/door?key=a%20b HTTP/1.1");
    expect(headers).toEqual({
      Host: "hooks.example:8123",
      "User-Agent": "Porthole/test",
      "Content-Type": "application/json",
      "Content-Length": String(body.length),
      "X-Porthole-Event": "config.changed",
      "X-Porthole-Delivery": expect.stringMatching(/^[0-9a-f]{32}$/),
      Connection: "close",
    });
    expect(event).toEqual({
      id: expect.any(Number),
      type: "config.changed",
      time: expect.stringMatching(/Z$/),
      data: { by: "api" },
    });
    expect(figures(world)).toMatchObject({ waiting: 0, delivered: 1, failedTries: 0, lost: 0 });
    expect(far(world).state).toBe("flushed");
  });

  test.each([
    ["http://192.0.2.9", { host: "192.0.2.9", port: 80 }, "192.0.2.9"],
    ["http://[2001:db8::9]:81/a", { host: "2001:db8::9", port: 81 }, "[2001:db8::9]:81"],
    ["http://hooks.example:80/", { host: "hooks.example", port: 80 }, "hooks.example"],
    ["https://hooks.example/a", { host: "hooks.example", port: 443, tls: {} }, "hooks.example"],
    ["https://192.0.2.9:8123/a", { host: "192.0.2.9", port: 8123, tls: {} }, "192.0.2.9:8123"],
  ])("at %s is found there, and asked for by its name", (url, spec, name) => {
    const world = startWith({ url });
    happen(world);
    expect(world.host.dialled[0]?.spec).toMatchObject(spec);
    expect(answer(world).headers.Host).toBe(name);
  });

  test("with a secret can tell by the signature that nothing was made up", () => {
    const world = startWith({ secret: "geheim-é-8", events: ["client.connected"] });
    world.server.runtime.events.emit("client.connected", { client: 1, path: "/ü", address: "::1", user: "né" });
    world.host.settle(world.core);
    const bytes = far(world).take();
    const end = Buffer.from(bytes).indexOf("\r\n\r\n");
    const body = bytes.slice(end + 4);
    const head = Buffer.from(bytes.slice(0, end)).toString();
    const expected = createHmac("sha256", "geheim-é-8").update(body).digest("hex");
    expect(head).toContain(`X-Porthole-Signature: sha256=${expected}\r\n`);
    expect(head).toContain(`Content-Length: ${body.length}\r\n`);
  });

  test("gets what it asked for and nothing else, everything unless it asked", () => {
    const world = startServer({ webhooks: [{ url: URL, events: ["config.changed"] }, { url: "http://all.example/" }] });
    const told = () => world.host.dialled.map(({ spec }) => spec.host);
    expect(told()).toEqual(["all.example"]);
    expect(answer(world).event.type).toBe("server.started");
    happen(world);
    expect(told()).toEqual(["all.example", "hooks.example", "all.example"]);
  });

  test("gets events one after the other, in order", () => {
    const world = startWith();
    happen(world, "file");
    happen(world, "api");
    expect(world.host.dialled).toHaveLength(1);
    const first = answer(world);
    const second = answer(world);
    expect([first.event.data, second.event.data]).toEqual([{ by: "file" }, { by: "api" }]);
    expect(first.headers["X-Porthole-Delivery"]).not.toBe(second.headers["X-Porthole-Delivery"]);
    expect(world.host.dialled).toHaveLength(2);
  });

  test("that fails is tried again after 1, 2, 4, 8 … 300 s with the same delivery, ten times in all", () => {
    const world = startWith();
    const { host, core } = world;
    happen(world);
    happen(world, "file");
    const ids = new Set<string | undefined>();
    const pauses: number[] = [];
    for (let tries = 1; tries <= WEBHOOK_TRIES_MAX; tries++) {
      const post = answer(world, "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno");
      expect(post.event.data).toEqual({ by: "api" });
      ids.add(post.headers["X-Porthole-Delivery"]);
      expect(host.dialled).toHaveLength(tries);
      const failedUs = host.nowUs;
      while (host.dialled.length === tries) host.advance(core, SECOND / 2);
      pauses.push((host.nowUs - failedUs) / SECOND);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    expect(ids.size).toBe(1);
    expect(figures(world)).toMatchObject({ failedTries: 10, lost: 1, delivered: 0, waiting: 1 });
    // The next event has its turn. A success ends the long pauses.
    expect(answer(world).event.data).toEqual({ by: "file" });
    happen(world);
    answer(world, "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n");
    const before = host.dialled.length;
    host.advance(core, SECOND);
    expect(host.dialled).toHaveLength(before + 1);
  });

  test("is not followed where it redirects", () => {
    const world = startWith();
    happen(world);
    answer(world, "HTTP/1.1 307 Elsewhere\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n");
    world.host.advance(world.core, 5 * SECOND);
    expect(new Set(world.host.dialled.map(({ spec }) => spec.host))).toEqual(new Set(["hooks.example"]));
    expect(figures(world)).toMatchObject({ delivered: 0, waiting: 1 });
  });

  test.each([
    ["closes without an answer", (peer: FakePeer) => peer.end()],
    ["is gone", (peer: FakePeer) => peer.drop()],
    ["answers no HTTP", (peer: FakePeer) => peer.send("220 smtp.example ready\r\n")],
    ["closes in the middle of the head", (peer: FakePeer) => sendAnd(peer, "HTTP/1.1 200 OK\r\nA", "end")],
  ])("that %s has failed", (_, act) => {
    const world = startWith();
    happen(world);
    act(far(world));
    world.host.settle(world.core);
    expect(figures(world)).toMatchObject({ failedTries: 1, delivered: 0, waiting: 1 });
    world.host.advance(world.core, SECOND);
    answer(world);
    expect(figures(world)).toMatchObject({ delivered: 1, waiting: 0 });
  });

  test.each([
    ["is cut", (peer: FakePeer) => sendAnd(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", "drop")],
    ["is far too long", (peer: FakePeer) => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")],
    ["ends with the connection", (peer: FakePeer) => sendAnd(peer, "HTTP/1.1 200 OK\r\n\r\nthanks", "end")],
    ["never ends", (peer: FakePeer) => peer.send("HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\nhal")],
  ])("has taken an event when it says so, and if its answer's body %s", (_, act) => {
    const world = startWith();
    happen(world);
    act(far(world));
    world.host.advance(world.core, WEBHOOK_TRY_US);
    expect(figures(world)).toMatchObject({ delivered: 1, failedTries: 0 });
    expect(world.host.dialled).toHaveLength(1);
  });

  test("that can't be reached or does not answer is given up after a while and tried again", () => {
    const host = new FakeHost();
    const world = startWith({}, host);
    host.outside = "refused";
    happen(world);
    expect(figures(world).failedTries).toBe(1);
    host.outside = "silent";
    host.advance(world.core, SECOND);
    expect(figures(world).failedTries).toBe(1);
    host.advance(world.core, WEBHOOK_TRY_US);
    expect(figures(world).failedTries).toBe(2);
    expect(far(world).state).toBe("reset");
    host.fail("tcpConnect", Code.UNSUPPORTED);
    host.advance(world.core, 2 * SECOND);
    expect(figures(world).failedTries).toBe(3);
    expect(host.logs.at(-1)?.line).toContain("this host can't connect");
  });

  test("keeps 256 events at most, the newest ones, and tells how many were lost", () => {
    const host = new FakeHost();
    host.outside = "silent";
    const world = startWith({}, host);
    const { events } = world.server.runtime;
    for (let i = 0; i < WEBHOOK_QUEUE_MAX + 50; i++) events.emit("config.changed", { by: "file" });
    events.emit("config.changed", { by: "api" });
    host.settle(world.core);
    expect(figures(world)).toMatchObject({ waiting: WEBHOOK_QUEUE_MAX, lost: 51 });
    const text = ask(world, "GET", "/metrics").body;
    expect(valueIn(text, "porthole_webhook_queue_events", { hook: "hooks.example:8123" })).toBe(WEBHOOK_QUEUE_MAX);
    expect(valueIn(text, "porthole_webhook_lost_total", { hook: "hooks.example:8123" })).toBe(51);
  });

  test("goes on over a change of the configuration that leaves it as it was, and ends with one that does not", () => {
    const host = new FakeHost();
    host.outside = "silent";
    const webhook = { url: URL, events: ["login.failed"] };
    const store = (config: unknown) => {
      host.stored.config = { state: "present", text: JSON.stringify(config) };
    };
    store({ webhooks: [webhook] });
    const world = startServer({}, host);
    const { runtime } = world.server;
    for (let i = 0; i < 3; i++) runtime.events.emit("login.failed", { protocol: "rtsp", address: "::1", reason: "x" });
    host.settle(world.core);
    const reload = (config: unknown) => {
      store(config);
      host.push({ type: "config" });
      host.settle(world.core);
    };
    reload({ webhooks: [webhook], mjpeg: { fps: 7 } });
    expect(figures(world).waiting).toBe(3);
    reload({ webhooks: [{ ...webhook, secret: "long enough" }] });
    expect(figures(world).waiting).toBe(0);
    expect(far(world).state).toBe("reset");
    reload({});
    expect(world.server.webhooks.figures()).toEqual([]);
    host.advance(world.core, 600 * SECOND);
    expect(host.dialled).toHaveLength(1);
  });

  test("leaves no connection, handle or timer behind", () => {
    const world = startWith();
    const { host, server } = world;
    const owned = () => [server.runtime.ownedHandles, host.openHandles.connections, server.runtime.timers.size];
    const before = owned();
    for (let i = 0; i < 5; i++) {
      happen(world);
      answer(world, i === 2 ? "rubbish\r\n" : OK);
      host.advance(world.core, 2 * SECOND);
      if (i === 2) answer(world);
    }
    expect(figures(world)).toMatchObject({ delivered: 5, waiting: 0 });
    expect(owned()).toEqual(before);
  });

  test("has a secret that is shown and logged nowhere, and a path that is not logged", () => {
    const world = startWithLogins({ log: { level: "debug" }, webhooks: [{ url: URL, secret: "long-and-secret" }] });
    const { host } = world;
    answer(world, "HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n");
    host.advance(world.core, SECOND);
    answer(world);
    for (const target of [
      "/api/config",
      "/api/config?effective=true",
      "/api/status",
      "/metrics",
      "/api/events?since=0",
    ]) {
      expect(ask(world, "GET", target, { login: ADMIN }).body).not.toContain("long-and-secret");
    }
    expect(ask(world, "GET", "/api/config?effective=true", { login: ADMIN }).body).toContain('"secret":"********"');
    const log = host.logs.map(({ line }) => line).join("\n");
    expect(log).toContain("webhook=hooks.example:8123 event=server.started try=1 failed: the receiver answers 401");
    expect(log).not.toMatch(/long-and-secret|in\/door/);
  });
});
