/**
 * Users, tokens and the configuration changed on a real server, as real players see it: the file system, the sockets and
 * ffmpeg are no fakes here.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runClient, testWith } from "../interop/clients.ts";
import type { Login, Server } from "../interop/server.ts";
import { within } from "../interop/wait.ts";
import { ADMIN, GUEST, startApiServer, textOf } from "./api-server.ts";

const ANNA: Login = { name: "anna", password: "choose your own" };
const testWithFfmpeg = testWith("ffmpeg");

let server: Server;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server?.stop());

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(server.httpUrl(path), {
    method,
    headers: {
      Authorization: `Basic ${btoa(textOf(ADMIN))}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

const probe = (login: Login) =>
  runClient(
    [
      "ffprobe",
      "-v",
      "error",
      "-rtsp_transport",
      "tcp",
      "-show_streams",
      "-of",
      "json",
      server.rtspUrl("/live/back", login),
    ],
    { timeoutMs: 20_000 },
  );

describe("a user added over HTTP", () => {
  testWithFfmpeg("lets ffprobe in, and after the removal a running player ends and ffprobe is refused", () =>
    server.explain(async () => {
      expect((await probe(ANNA)).stderr).toContain("401");
      expect(await ask("POST", "/api/users", ANNA)).toMatchObject({ status: 201, body: { persisted: true } });
      const seen = await probe(ANNA);
      expect([seen.code, seen.stderr]).toEqual([0, ""]);
      expect(JSON.parse(seen.stdout)).toMatchObject({ streams: [{ codec_name: "h264", width: 1280, height: 720 }] });

      // It would go on for ever; what ends it is the server.
      let removed = false;
      const url = server.rtspUrl("/live/back", ANNA);
      const player = await runClient(["ffmpeg", "-nostdin", "-v", "error", "-i", url, "-f", "framecrc", "-"], {
        timeoutMs: 20_000,
        until: ({ stdout }) => {
          if (!removed && stdout.split("\n").length > 25) {
            removed = true;
            ask("DELETE", "/api/users/anna").catch(() => {});
          }
          return false;
        },
      });
      expect([removed, player.satisfied, player.signal]).toEqual([true, false, null]);

      const refused = await probe(ANNA);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain("401");
      expect(server.log).not.toContain(ANNA.password);
    }),
  );
});

describe("a stream token", () => {
  test("opens a picture without a login, until it is revoked, and is never logged", () =>
    server.explain(async () => {
      const made = await ask("POST", "/api/tokens", { stream: "back", user: GUEST.name });
      const { token, paths, details } = made.body as { token: string; paths: string[]; details: { id: string } };
      const get = (path: string) => fetch(server.httpUrl(path), { signal: AbortSignal.timeout(5_000) });
      const picture = await get(paths[1]!);
      expect([picture.status, picture.headers.get("referrer-policy")]).toEqual([200, "no-referrer"]);
      expect(new Uint8Array(await picture.arrayBuffer()).slice(0, 2)).toEqual(Uint8Array.of(0xff, 0xd8));
      const stream = await fetch(server.httpUrl(paths[0]!));
      const reader = stream.body!.getReader();
      expect((await reader.read()).done).toBe(false);
      expect((await ask("DELETE", `/api/tokens/${details.id}`)).status).toBe(204);
      let ended = false;
      const end = () => {
        ended = true;
      };
      (async () => {
        while (!(await reader.read()).done);
      })().then(end, end);
      await within(3_000, "the stream's end", () => ended);
      expect((await get(paths[1]!)).status).toBe(403);
      expect(server.log).not.toContain(token);
    }));
});

describe("a configuration changed over HTTP", () => {
  testWithFfmpeg("sends viewers of the changed profile away, and those of another lose nothing", () =>
    server.explain(async () => {
      let changed: Promise<unknown> | undefined;
      const profiles = [{ path: "/live/front", camera: "front", width: 640, height: 360 }];
      const url = server.rtspUrl("/live/back", GUEST);
      const play = ["ffmpeg", "-nostdin", "-v", "warning", "-rtsp_transport", "udp", "-i", url, "-t", "4"];
      const front = server.rtspUrl("/live/front", GUEST);
      const [stays, goes] = await Promise.all([
        runClient([...play, "-f", "framecrc", "-"], {
          timeoutMs: 25_000,
          until: ({ stdout }) => {
            if (stdout.split("\n").length > 25) changed ??= ask("PATCH", "/api/config", { profiles });
            return false;
          },
        }),
        runClient(["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", front, "-f", "null", "-"], {
          timeoutMs: 25_000,
        }),
      ]);
      expect(await changed).toMatchObject({ status: 200, body: { persisted: true } });
      expect([stays.code, stays.stderr]).toEqual([0, ""]);
      // One line a picture: to the end of its four seconds.
      expect(stays.stdout.split("\n").filter((line) => line.startsWith("0,")).length).toBeGreaterThanOrEqual(97);
      expect(goes.signal).toBeNull();
      expect(await ask("GET", "/api/config?effective=true")).toMatchObject({
        body: { profiles: expect.arrayContaining([expect.objectContaining({ path: "/live/front", width: 640 })]) },
      });
      // By now the host has looked at the file more than once: our own writing is no news.
      expect(server.log.match(/the changed configuration is in force/g)).toHaveLength(1);
    }),
  );

  test("with a fault is refused whole, by key", () =>
    server.explain(async () => {
      const before = await ask("GET", "/api/config");
      const refused = await ask("PATCH", "/api/config", { rtsp: { port: "x" }, log: { level: "debug" } });
      expect(refused).toMatchObject({
        status: 422,
        body: { error: { code: "config-invalid", issues: [{ path: "rtsp.port" }] } },
      });
      expect(await ask("GET", "/api/config")).toEqual(before);
    }));
});
