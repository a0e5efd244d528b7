import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Outcome, runClient, testWith } from "./clients.ts";
import { type Login, Server, VIEWER, WRONG } from "./server.ts";

const test = testWith("vlc");

/** Debian's VLC is built without live555 and so can't play RTSP from a server such as this one. */
const hasLive555 = ["/usr/lib", "/usr/local/lib", ...subfolders("/usr/lib")].some((folder) =>
  existsSync(join(folder, "vlc/plugins/access/liblive555_plugin.so")),
);
const rtspTest = hasLive555 ? test : test.skip;

let server: Server;
let pictures: string;
beforeAll(async () => {
  pictures = mkdtempSync(join(tmpdir(), "porthole-vlc-"));
  // VLC runs as another user here and writes into it.
  chmodSync(pictures, 0o777);
  server = await Server.start();
});
afterAll(async () => {
  rmSync(pictures, { recursive: true, force: true });
  await server?.stop();
});

/** Files with shown pictures of one run. */
function shown(prefix: string): string[] {
  return (
    readdirSync(pictures)
      // VLC writes to a `.swp` beside it and renames that.
      .filter((name) => name.startsWith(prefix) && name.endsWith(".jpg"))
      .map((name) => join(pictures, name))
  );
}

function differentPictures(prefix: string): number {
  return new Set(shown(prefix).map((file) => readFileSync(file).toString("base64"))).size;
}

/** Shows a stream on no display and saves every fifth picture, until `until` holds. */
function play(url: string, prefix: string, until: (output: { readonly stderr: string }) => boolean): Promise<Outcome> {
  const quiet = ["--intf", "dummy", "--no-audio", "--no-media-library", "--no-dbus", "--keystore", "memory"];
  const scene = ["--scene-format", "jpg", "--scene-ratio", "5", "--scene-path", pictures, "--scene-prefix", prefix];
  const command = ["vlc", ...quiet, "--vout", "dummy", "--video-filter", "scene", ...scene, "-vv", url];
  return runClient(command, { timeoutMs: 20_000, unprivileged: true, until });
}

async function expectMovingPicture(url: string, prefix: string): Promise<void> {
  // The picture written last may be cut short when VLC ends, so three.
  const run = await play(url, prefix, () => differentPictures(prefix) >= 3);
  expect(run.satisfied).toBe(true);
}

async function expectRefusal(url: (login: Login | undefined) => string, prefix: string, words: RegExp): Promise<void> {
  for (const login of [WRONG, undefined]) {
    const run = await play(url(login), prefix, ({ stderr }) => words.test(stderr));
    expect(run.stderr).toMatch(words);
    expect(shown(prefix)).toEqual([]);
  }
}

describe("VLC", () => {
  test("shows the HTTP streams moving", () =>
    server.explain(async () => {
      await expectMovingPicture(server.httpUrl("/Back/", VIEWER), "http-back");
      await expectMovingPicture(server.httpUrl("/Front/", VIEWER), "http-front");
    }));

  test("is refused over HTTP when the password is wrong or missing, and shows nothing", () =>
    server.explain(() => expectRefusal((login) => server.httpUrl("/Back/", login), "refused", /HTTP 401 error/)));

  rtspTest("shows the RTSP streams moving (where it is built with live555)", () =>
    server.explain(async () => {
      await expectMovingPicture(server.rtspUrl("/live/back", VIEWER), "rtsp-back");
      await expectMovingPicture(server.rtspUrl("/live/back/mjpeg", VIEWER), "rtsp-mjpeg");
      await expectRefusal((login) => server.rtspUrl("/live/back", login), "rtsp-refused", /authentication|401/i);
    }),
  );
});

/** VLC's plugins lie in a folder of the machine's architecture. */
function subfolders(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}
