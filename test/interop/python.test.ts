/**
 * OpenCV and PyAV from PyPI, each of which brings an FFmpeg of its own.
 */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { Server, VIEWER, WRONG } from "./server.ts";

const testOpenCv = testWith("opencv");
const testPyAv = testWith("pyav");

const PICTURES = 50;

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

/** Runs one of the readers beside this file and gives the JSON that it prints. */
async function read(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const command = [".cache/python/bin/python", `test/interop/${script}`, ...args];
  const run = await runClient(command, { timeoutMs: 25_000, env });
  expect(run.code, run.stderr).toBe(0);
  return JSON.parse(run.stdout);
}

const seen = (least: number): Record<string, unknown> => ({
  size: [1280, 720],
  pictures: PICTURES,
  different: expect.toSatisfy((count: number) => count >= least, `at least ${least}`),
});

describe("OpenCV", () => {
  for (const transport of ["udp", "tcp"]) {
    testOpenCv(`reads ${PICTURES} pictures of each codec over ${transport}`, () =>
      server.explain(async () => {
        const env = { OPENCV_FFMPEG_CAPTURE_OPTIONS: `rtsp_transport;${transport}` };
        const urls = ["/live/back", "/live/back/mjpeg"].map((path) => server.rtspUrl(path, VIEWER));
        const results = await Promise.all(urls.map((url) => read("read_opencv.py", [url, String(PICTURES)], env)));
        for (const result of results) expect(result).toEqual({ opened: true, ...seen(20) });
      }),
    );
  }

  testOpenCv("reads the HTTP stream", () =>
    server.explain(async () => {
      const result = await read("read_opencv.py", [server.httpUrl("/Front/", VIEWER), String(PICTURES)]);
      expect(result).toEqual({ opened: true, ...seen(20) });
    }),
  );

  testOpenCv("does not open when the password is wrong or missing", () =>
    server.explain(async () => {
      for (const login of [WRONG, undefined]) {
        const result = await read("read_opencv.py", [server.rtspUrl("/live/back", login), "1"]);
        expect(result).toEqual({ opened: false, size: null, pictures: 0, different: 0 });
      }
    }),
  );
});

describe("PyAV", () => {
  for (const transport of ["udp", "tcp"]) {
    testPyAv(`reads ${PICTURES} pictures of each codec over ${transport}`, () =>
      server.explain(async () => {
        const urls = ["/live/front", "/live/front/mjpeg"].map((path) => server.rtspUrl(path, VIEWER));
        const results = await Promise.all(urls.map((url) => read("read_pyav.py", [url, String(PICTURES), transport])));
        for (const result of results) expect(result).toEqual({ error: null, ...seen(20) });
      }),
    );
  }

  testPyAv("raises its error for 401 when the password is wrong or missing", () =>
    server.explain(async () => {
      for (const login of [WRONG, undefined]) {
        for (const url of [server.rtspUrl("/live/back", login), server.httpUrl("/Back/", login)]) {
          const result = await read("read_pyav.py", [url, "1", "tcp"]);
          expect(result).toEqual({ error: "HTTPUnauthorizedError", size: null, pictures: 0, different: 0 });
        }
      }
    }),
  );
});
