/**
 * Every route of docs/openapi.json asked through a client made from it, on a real server. The client itself compares each
 * answer with the document.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "../interop/server.ts";
import { within } from "../interop/wait.ts";
import { ADMIN, DOCUMENT, freePort, GUEST, startApiServer, textOf } from "./api-server.ts";
import { type Arguments, type Client, makeClient } from "./client.ts";

/** What to ask of each operation, and the status that an admin gets. */
const EXAMPLES: Readonly<Record<string, readonly (Arguments & { readonly status: number })[]>> = {
  getPage: [{ status: 200 }],
  getStream: [
    { path: { stream: "back" }, status: 200 },
    { path: { stream: "live/front/mjpeg" }, status: 200 },
    { path: { stream: "nothing" }, status: 404 },
  ],
  getStreamSnapshotJpg: [
    { path: { stream: "Front" }, status: 200 },
    { path: { stream: "side" }, status: 404 },
    { path: { stream: "back" }, query: { quality: 30 }, status: 200 },
    { path: { stream: "back" }, query: { width: 640 }, status: 422 },
    { path: { stream: "back" }, query: { since: 1, cache: "10s" }, status: 200 },
    { path: { stream: "back" }, query: { rotation: 45 }, status: 400 },
  ],
  getVideo: [{ status: 200 }],
  getShotJpg: [{ status: 200 }],
  getPhotoJpg: [{ status: 200 }, { query: { width: 640 }, status: 200 }],
  getStatusJson: [
    { status: 200 },
    { query: { show_avail: "1" }, status: 200 },
    { query: { show_avail: "yes" }, status: 400 },
  ],
  getSensorsJson: [{ status: 200 }],
  getSettingsKey: [
    { path: { key: "quality" }, query: { set: "70" }, status: 200 },
    { path: { key: "quality" }, query: { set: "high" }, status: 400 },
    { path: { key: "ptz" }, query: { zoom: 200 }, status: 409 },
    { path: { key: "night_vision" }, query: { set: "on" }, status: 404 },
  ],
  getEnabletorch: [{ status: 409 }],
  getDisabletorch: [{ status: 409 }],
  getStatus: [{ status: 200 }],
  getMetrics: [{ status: 200 }],
  getSnapshotsLatest: [{ query: { camera: "back" }, status: 404 }],
  getEvents: [{ status: 200 }, { query: { since: 0 }, status: 200 }, { query: { since: "x" }, status: 400 }],
  getOpenapiJson: [{ status: 200 }],
  deleteClientsId: [
    { path: { id: 1_000_000 }, status: 404 },
    { path: { id: "x" }, status: 404 },
  ],
  postCommandsStopCamera: [
    { body: { camera: "back" }, status: 200 },
    { body: { camera: "side" }, status: 404 },
  ],
  postCommandsStartCamera: [{ body: { camera: "back" }, status: 200 }, { body: {}, status: 400 }, { status: 415 }],
  postCommandsStopMjpegServer: [{ body: {}, status: 200 }],
  postCommandsStartMjpegServer: [{ body: {}, status: 200 }],
  postCommandsSwitchCamera: [
    { body: { profile: "/live/back", camera: "front" }, status: 200 },
    { body: { profile: "/live/back", camera: "back" }, status: 200 },
    { body: { profile: "/live/side", camera: "back" }, status: 404 },
  ],
  postCommandsRequestKeyFrame: [{ body: { profile: "/live/back" }, status: 200 }],
  postCommandsSetBitrate: [
    { body: { profile: "/live/back", bitrate: 1_000_000 }, status: 200 },
    { body: { profile: "/live/back", bitrate: 1 }, status: 400 },
    { body: { profile: "/live/back/mjpeg", bitrate: 1_000_000 }, status: 409 },
  ],
  postCommandsSetQuality: [
    { body: { profile: "/live/back/mjpeg", quality: 60 }, status: 200 },
    { body: { profile: "/live/back", quality: 60 }, status: 409 },
  ],
  postCommandsSetTorch: [{ body: { camera: "back", on: true }, status: 409 }],
  postCommandsSetZoom: [{ body: { camera: "back", zoom: 2 }, status: 409 }],
  getUsers: [{ status: 200 }],
  postUsers: [
    { body: { name: "anna", password: "long enough" }, status: 201 },
    { body: { name: "anna", password: "long enough" }, status: 409 },
    { body: { name: "otto", password: "short" }, status: 400 },
  ],
  putUsersName: [
    { path: { name: "otto" }, body: { password: "long enough", role: "viewer" }, status: 201 },
    { path: { name: "otto" }, body: { password: "long enough", role: "admin" }, status: 200 },
    { path: { name: ADMIN.name }, body: { password: "long enough", role: "viewer" }, status: 409 },
  ],
  patchUsersName: [
    { path: { name: "otto" }, body: { role: "viewer" }, status: 200 },
    { path: { name: "nobody" }, body: { role: "viewer" }, status: 404 },
  ],
  deleteUsersName: [
    { path: { name: "otto" }, status: 204 },
    { path: { name: "otto" }, status: 404 },
    { path: { name: ADMIN.name }, status: 409 },
  ],
  getTokens: [{ status: 200 }],
  postTokens: [
    { body: { stream: "back" }, status: 201 },
    { body: { stream: "side" }, status: 400 },
  ],
  deleteTokensId: [{ path: { id: "nothing" }, status: 404 }],
  getConfig: [{ status: 200 }, { query: { effective: "true" }, status: 200 }],
  getConfigSchemaJson: [{ status: 200 }],
  postConfigValidate: [
    { body: {}, status: 409 },
    { body: { wrong: 1 }, status: 422 },
  ],
  patchConfig: [
    { body: { mjpeg: { fps: 20 } }, status: 200 },
    { body: { mjpeg: { fps: 0 } }, status: 422 },
    { body: { users: [] }, status: 409 },
    { body: {}, headers: { "If-Match": '"another"' }, status: 412 },
  ],
  putConfig: [
    { body: { users: [], mjpeg: { fps: 20 } }, status: 409 },
    { body: { mjpeg: 7 }, status: 422 },
  ],
};
/** Tested by itself below, because the server is another one afterwards. */
const RESTART = "postCommandsRestart";

const OPERATIONS = Object.values(DOCUMENT.paths).flatMap((operations) => Object.values(operations));

let server: Server;
let admin: Client;
let guest: Client;
let nobody: Client;
beforeAll(async () => {
  server = await startApiServer();
  const url = server.httpUrl("");
  admin = makeClient(DOCUMENT, url, textOf(ADMIN));
  guest = makeClient(DOCUMENT, url, textOf(GUEST));
  nobody = makeClient(DOCUMENT, url, undefined);
});
afterAll(() => server?.stop());

test("there is an example of every operation, and of no other", () => {
  expect([...Object.keys(EXAMPLES), RESTART].sort()).toEqual(OPERATIONS.map(({ operationId }) => operationId).sort());
});

describe.each(Object.entries(EXAMPLES))("%s", (id, examples) => {
  test.each(examples)("$path $query $body is $status", ({ status, ...given }) =>
    server.explain(async () => expect((await admin[id]!(given)).status).toBe(status)),
  );

  test("needs a login, and the role that the document says", () =>
    server.explain(async () => {
      const { status, ...given } = examples[0]!;
      const role = OPERATIONS.find(({ operationId }) => operationId === id)!["x-role"];
      expect((await nobody[id]!(given)).status).toBe(401);
      expect((await guest[id]!(given)).status).toBe(role === "admin" ? 403 : status);
    }));
});

test("the served document is the one that is checked in", () =>
  server.explain(async () => expect((await guest.getOpenapiJson!()).body).toEqual(DOCUMENT)));

test("a snapshot is a JPEG file of the size that its headers say", () =>
  server.explain(async () => {
    const { body, headers } = await guest.getStreamSnapshotJpg!({ path: { stream: "back" } });
    expect([...(body as Buffer).subarray(0, 2)]).toEqual([0xff, 0xd8]);
    expect([headers.get("x-width"), headers.get("x-height")]).toEqual(["1280", "720"]);
  }));

test("restart answers, and the same address serves a new server, with everything forgotten that commands had set", async () => {
  const port = String(await freePort());
  const restarted = await startApiServer({}, ["--http-port", port]);
  try {
    await restarted.explain(async () => {
      const client = makeClient(DOCUMENT, `http://127.0.0.1:${port}`, textOf(ADMIN));
      const state = async () => (await client.getStatus!()).body as { server: { since: string; mjpegServer: string } };
      await client.postCommandsStopMjpegServer!({ body: {} });
      const before = (await state()).server;
      expect(before.mjpegServer).toBe("stopped");
      expect((await client.postCommandsRestart!({ body: {} })).status).toBe(202);
      const after = await within(10_000, "the server's return", async () => {
        const now = await state().catch(() => undefined);
        return now !== undefined && now.server.since !== before.since && now.server;
      });
      expect(after.mjpegServer).toBe("running");
      expect(Date.parse(after.since)).toBeGreaterThan(Date.parse(before.since));
      expect((await client.getStreamSnapshotJpg!({ path: { stream: "back" } })).status).toBe(200);
    });
  } finally {
    // Checks that a signal still ends it, with exit code 0.
    await restarted.stop();
  }
});
