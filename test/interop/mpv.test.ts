import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Outcome, runClient, testWith } from "./clients.ts";
import { Server, VIEWER, WRONG } from "./server.ts";

const test = testWith("mpv");

const PICTURES = 50;

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

/** Plays so many pictures to nowhere, then ends by itself. */
function play(url: string, options: readonly string[] = []): Promise<Outcome> {
  const quiet = ["--no-config", "--vo=null", "--ao=null", "--untimed", "--msg-level=all=info"];
  return runClient(["mpv", ...quiet, ...options, `--frames=${PICTURES}`, url], { timeoutMs: 20_000 });
}

function expectPlayed(run: Outcome, codec: string): void {
  const output = run.stdout + run.stderr;
  expect(output).toContain(`(${codec} 1280x720`);
  expect(output).toContain("Exiting... (End of file)");
  expect(output).not.toMatch(/error while decoding|corrupt|concealing|missed \d+ packets|timed? ?out/i);
  expect(run.code).toBe(0);
}

describe.concurrent("mpv", () => {
  for (const transport of ["udp", "tcp"]) {
    test(`plays ${PICTURES} pictures of H.264 and of JPEG over ${transport}`, () =>
      server.explain(async () => {
        const option = `--rtsp-transport=${transport}`;
        expectPlayed(await play(server.rtspUrl("/live/back", VIEWER), [option]), "h264");
        expectPlayed(await play(server.rtspUrl("/live/front/mjpeg", VIEWER), [option]), "mjpeg");
      }));
  }

  test(`plays ${PICTURES} pictures of the HTTP stream`, () =>
    server.explain(async () => {
      expectPlayed(await play(server.httpUrl("/Back/", VIEWER)), "mjpeg");
    }));

  test("is refused when the password is wrong or missing, and gets no picture", () =>
    server.explain(async () => {
      for (const login of [WRONG, undefined]) {
        for (const url of [server.rtspUrl("/live/back", login), server.httpUrl("/Back/", login)]) {
          const run = await play(url, ["--rtsp-transport=tcp"]);
          expect(run.stdout + run.stderr).toContain("401 Unauthorized");
          expect(run.stdout + run.stderr).not.toContain("1280x720");
          expect(run.code).not.toBe(0);
        }
      }
    }));
});
