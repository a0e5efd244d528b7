/**
 * Who may ask for what, for every route there is: a route that is missing from the table below fails the first test.
 */
import { describe, expect, test } from "vitest";
import type { World } from "../testing.ts";
import { startServer } from "../testing.ts";
import { ROUTES } from "./routes.ts";
import { ADMIN, type Asked, ask, errorOf, startWithLogins, VIEWER } from "./testing.ts";

/** A request that each route takes, with the status of its answer to an admin. */
type Example = { readonly target?: string; readonly body?: unknown; readonly status: number };

const EXAMPLES: Readonly<Record<string, Example>> = {
  "GET /": { status: 200 },
  "GET /{stream+}/snapshot.jpg": { target: "/Back/snapshot.jpg", status: 200 },
  "GET /{stream+}": { target: "/live/back/mjpeg", status: 200 },
  "GET /video": { status: 200 },
  "GET /shot.jpg": { status: 200 },
  "GET /photo.jpg": { status: 200 },
  "GET /status.json": { status: 200 },
  "GET /sensors.json": { status: 200 },
  "GET /settings/{key}": { target: "/settings/quality?set=50", status: 200 },
  "GET /enabletorch": { status: 409 },
  "GET /disabletorch": { status: 409 },
  "GET /api/status": { status: 200 },
  "GET /metrics": { status: 200 },
  "GET /api/snapshots/latest": { target: "/api/snapshots/latest?camera=back", status: 404 },
  "GET /api/events": { status: 200 },
  "GET /api/openapi.json": { status: 200 },
  "GET /api/users": { status: 200 },
  "POST /api/users": { body: { name: "anna", password: "choose your own" }, status: 201 },
  "PUT /api/users/{name}": {
    target: "/api/users/anna",
    body: { password: "choose your own", role: "viewer" },
    status: 201,
  },
  "PATCH /api/users/{name}": { target: "/api/users/nobody", body: { role: "viewer" }, status: 404 },
  "DELETE /api/users/{name}": { target: "/api/users/nobody", status: 404 },
  "GET /api/tokens": { status: 200 },
  "POST /api/tokens": { body: { stream: "nowhere" }, status: 400 },
  "DELETE /api/tokens/{id}": { target: "/api/tokens/77", status: 404 },
  "GET /api/config": { status: 200 },
  "PUT /api/config": { body: {}, status: 200 },
  "PATCH /api/config": { body: { log: { level: "warn" } }, status: 200 },
  "POST /api/config/validate": { body: {}, status: 200 },
  "GET /api/config.schema.json": { status: 200 },
  "DELETE /api/clients/{id}": { target: "/api/clients/77", status: 404 },
  "POST /api/commands/start-camera": { body: { camera: "back" }, status: 200 },
  "POST /api/commands/stop-camera": { body: { camera: "back" }, status: 200 },
  "POST /api/commands/start-mjpeg-server": { body: {}, status: 200 },
  "POST /api/commands/stop-mjpeg-server": { body: {}, status: 200 },
  "POST /api/commands/switch-camera": { body: { profile: "/live/back", camera: "front" }, status: 200 },
  "POST /api/commands/request-key-frame": { body: { profile: "/live/back" }, status: 200 },
  "POST /api/commands/set-bitrate": { body: { profile: "/live/back", bitrate: 500_000 }, status: 200 },
  "POST /api/commands/set-quality": { body: { profile: "/live/back/mjpeg", quality: 50 }, status: 200 },
  "POST /api/commands/set-torch": { body: { camera: "back", on: true }, status: 409 },
  "POST /api/commands/set-zoom": { body: { camera: "back", zoom: 2 }, status: 409 },
  "POST /api/commands/restart": { body: {}, status: 202 },
};

const nameOf = ({ method, path }: { readonly method: string; readonly path: string }): string => `${method} ${path}`;

/** What each way of asking gets: a status, or undefined for the route's own answer. */
type Way = {
  readonly name: string;
  readonly asked: Asked;
  readonly expected: (route: (typeof ROUTES)[number]) => { readonly status: number; readonly code: string } | undefined;
};

const CROSS_ORIGIN = { status: 403, code: "cross-origin" };
const ifChanging: Way["expected"] = ({ changes }) => (changes ? CROSS_ORIGIN : undefined);

const WAYS: readonly Way[] = [
  { name: "no login", asked: {}, expected: () => ({ status: 401, code: "login-needed" }) },
  {
    name: "a wrong password",
    asked: { login: { ...ADMIN, password: "o-2" } },
    expected: () => ({ status: 401, code: "login-needed" }),
  },
  {
    name: "a viewer",
    asked: { login: VIEWER },
    expected: ({ role }) => (role === "admin" ? { status: 403, code: "forbidden" } : undefined),
  },
  { name: "an admin", asked: { login: ADMIN }, expected: () => undefined },
  {
    name: "an admin's browser on a page of another site",
    asked: { login: ADMIN, headers: { "Sec-Fetch-Site": "cross-site" } },
    expected: ifChanging,
  },
  {
    name: "an admin's browser on a page of a neighbour's name",
    asked: { login: ADMIN, headers: { "Sec-Fetch-Site": "same-site" } },
    expected: ifChanging,
  },
  {
    name: "an admin's old browser on a page of another site",
    asked: { login: ADMIN, headers: { Origin: "http://evil.example" } },
    expected: ifChanging,
  },
  {
    name: "an admin's browser on a page without an origin",
    asked: { login: ADMIN, headers: { Origin: "null" } },
    expected: ifChanging,
  },
  {
    name: "an admin's browser on our own page",
    asked: { login: ADMIN, headers: { Origin: "http://127.0.0.1", "Sec-Fetch-Site": "same-origin" } },
    expected: () => undefined,
  },
  {
    name: "an admin's browser on a page of the same address and another port",
    asked: { login: ADMIN, headers: { Origin: "http://127.0.0.1:81" } },
    expected: ifChanging,
  },
  {
    name: "an admin who asks for another host",
    asked: { login: ADMIN, headers: { Host: "evil.example" } },
    expected: () => ({ status: 403, code: "unknown-host" }),
  },
];

test("the table has an example of every route, and of no other", () => {
  expect(Object.keys(EXAMPLES).sort()).toEqual(ROUTES.map(nameOf).sort());
});

describe.each(WAYS)("$name", ({ asked, expected }) => {
  test.each(ROUTES.map((route) => [nameOf(route), route] as const))("%s", (name, route) => {
    const { target = route.path, body, status } = EXAMPLES[name]!;
    const world = startWithLogins();
    const refusal = expected(route);
    const response = ask(world, route.method, target, { ...asked, ...(body === undefined ? {} : { body }) });
    expect(response.status).toBe(refusal?.status ?? status);
    if (refusal !== undefined) expect(errorOf(response).code).toBe(refusal.code);
    // What was refused has not happened either.
    if (refusal !== undefined && name.endsWith("restart")) expect(exitAfterAWhile(world)).toBeUndefined();
  });
});

describe("without logins", () => {
  test.each(ROUTES.map((route) => [nameOf(route), route] as const))(
    "anybody may %s, but no page of another site",
    (name, route) => {
      const { target = route.path, body, status } = EXAMPLES[name]!;
      const request = body === undefined ? {} : { body };
      expect(ask(startServer(), route.method, target, request).status).toBe(status);
      const foreign = ask(startServer(), route.method, target, {
        ...request,
        headers: { Origin: "http://evil.example" },
      });
      expect(foreign.status).toBe(route.changes ? 403 : status);
      // A page whose own name points here is of our origin to a browser; its name gives it away.
      const headers = { Host: "evil.example", Origin: "http://evil.example", "Sec-Fetch-Site": "same-origin" };
      expect(ask(startServer(), route.method, target, { ...request, headers }).status).toBe(403);
    },
  );
});

describe("Host", () => {
  const statusFor = (host: string, hostNames: readonly string[] = []): number =>
    ask(startServer({ http: { hostNames } }), "GET", "/api/status", { headers: { Host: host } }).status;

  test.each([
    "192.0.2.1",
    "192.0.2.1:8089",
    "[2001:db8::1]",
    "[2001:DB8::1]:8089",
    "localhost",
    "LOCALHOST:1",
    "localhost.",
  ])("%s is ours", (host) => expect(statusFor(host)).toBe(200));

  test.each(["", "camera", "camera.lan", "localhost.evil.example", "192.0.2.1.evil.example", "1.2.3", "notlocalhost"])(
    "%j is not, unless it is configured",
    (host) => expect(statusFor(host)).toBe(403),
  );

  test("names of the configuration are ours, whatever their case, port and last dot", () => {
    for (const host of ["camera.lan", "CAMERA.LAN:8089", "camera.lan."])
      expect(statusFor(host, ["Camera.lan"])).toBe(200);
    expect(statusFor("other.lan", ["camera.lan"])).toBe(403);
  });

  test("the refusal names the key of the configuration", () => {
    const response = ask(startServer(), "GET", "/", { headers: { Host: "camera" } });
    expect(errorOf(response)).toMatchObject({
      path: "header.Host",
      message: expect.stringContaining("http.hostNames"),
    });
  });

  test("a page that asks by a configured name is our own page", () => {
    const world = startServer({ http: { hostNames: ["camera.lan"] } });
    const asked = (origin: string) => ({ body: {}, headers: { Host: "camera.lan:8089", Origin: origin } });
    const command = "/api/commands/stop-mjpeg-server";
    expect(ask(world, "POST", command, asked("http://camera.lan:8089")).status).toBe(200);
    expect(ask(world, "POST", command, asked("http://camera.lan")).status).toBe(403);
  });

  test("OPTIONS is refused for another host too", () => {
    expect(ask(startServer(), "OPTIONS", "/", { headers: { Host: "evil.example" } }).status).toBe(403);
  });
});

function exitAfterAWhile({ host, core }: World) {
  host.advance(core, 1_000_000);
  return host.exited;
}
