/**
 * pydroid-ipcam (PyPI), through which Home Assistant's integration for IP Webcam speaks to a device.
 */
import { afterEach, expect } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { type Login, Server } from "./server.ts";

const test = testWith("pydroid-ipcam");
const ADMIN: Login = { name: "owner", password: "o-1" };
const GUEST: Login = { name: "guest", password: "g-1" };

let server: Server | undefined;
afterEach(() => server?.stop());

async function start(http: Record<string, unknown> = {}): Promise<Server> {
  const users = [ADMIN, { ...GUEST, role: "viewer" }];
  server = await Server.start({ users: [], config: { users, http } });
  return server;
}

async function use({ ready }: Server, { name, password }: Login): Promise<unknown> {
  const command = [".cache/python/bin/python", "test/interop/use_pydroid.py", String(ready.httpPort), name, password];
  const run = await runClient(command, { timeoutMs: 40_000 });
  expect(run.code, run.stderr).toBe(0);
  return JSON.parse(run.stdout);
}

test("pydroid-ipcam sees the state and the pictures, and sets what this device has", async () => {
  const started = await start();
  await started.explain(async () => {
    expect(await use(started, ADMIN)).toEqual({
      settings: { quality: 80, ffc: false },
      available: { quality: 100, ffc: 2 },
      sensors: [],
      video_connections: 0,
      pictures: 5,
      image: "ffd8",
      quality: true,
      ffc: true,
      // Neither is there on this host: the library says so instead of believing that it worked.
      night_vision: "code: 404",
      torch: "code: 409",
      zoom: "code: 409",
      after: { quality: 37, ffc: true },
    });
  });
});

test("pydroid-ipcam sees all and sets nothing with a viewer's login, and nothing at all with a wrong one", async () => {
  const started = await start();
  await started.explain(async () => {
    expect(await use(started, GUEST)).toMatchObject({
      pictures: 5,
      quality: "code: 403",
      ffc: "code: 403",
      torch: "code: 403",
      after: { quality: 80, ffc: false },
    });
    expect(await use(started, { ...ADMIN, password: "o-2" })).toEqual({ error: "Unauthorized" });
  });
});
