import { afterAll, beforeAll, describe, expect } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { Server, VIEWER, WRONG } from "./server.ts";

const test = testWith("ffmpeg");

const H264 = ["/live/back", "/live/front"];
const JPEG = ["/live/back/mjpeg", "/live/front/mjpeg"];
const TRANSPORTS = ["udp", "tcp"] as const;

/** The long run shows what a short one does not: a session kept alive, sender reports, several key intervals, a clip's seam. */
const LONG_S = 30;
const SHORT_S = 2;

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

type Probe = { readonly streams: readonly Record<string, unknown>[] };

/** What came of a stream: how many pictures, and how many different ones. */
type Seen = { readonly pictures: number; readonly different: number };

/** Plays a stream for so many seconds of pictures and expects not a word on standard error. */
async function playQuietly(url: string, seconds: number, input: readonly string[]): Promise<Seen> {
  const command = [
    "ffmpeg",
    "-nostdin",
    "-v",
    "warning",
    ...input,
    "-i",
    url,
    "-t",
    String(seconds),
    "-f",
    "framecrc",
    "-",
  ];
  const run = await runClient(command, { timeoutMs: seconds * 1_000 + 20_000 });
  expect(run.stderr).toBe("");
  expect(run.code).toBe(0);
  // One line a picture: stream, dts, pts, duration, size, checksum.
  const checksums = run.stdout
    .split("\n")
    .filter((line) => line.startsWith("0,"))
    .map((line) => line.split(",")[5]);
  return { pictures: checksums.length, different: new Set(checksums).size };
}

describe.concurrent("ffmpeg", () => {
  for (const transport of TRANSPORTS) {
    test(
      `plays ${LONG_S} s of /live/back over ${transport} without a warning`,
      () =>
        server.explain(async () => {
          const seen = await playQuietly(server.rtspUrl("/live/back", VIEWER), LONG_S, ["-rtsp_transport", transport]);
          expect(seen.pictures).toBeGreaterThanOrEqual(LONG_S * 25 - 3);
          expect(seen.pictures).toBeLessThanOrEqual(LONG_S * 25 + 3);
          expect(seen.different).toBeGreaterThan(LONG_S);
        }),
      LONG_S * 1_000 + 25_000,
    );
  }

  for (const path of ["/live/front", ...JPEG]) {
    for (const transport of TRANSPORTS) {
      test(`plays ${path} over ${transport} without a warning`, () =>
        server.explain(async () => {
          const seen = await playQuietly(server.rtspUrl(path, VIEWER), SHORT_S, ["-rtsp_transport", transport]);
          expect(seen.pictures).toBeGreaterThanOrEqual(SHORT_S * 25 - 3);
          expect(seen.different).toBeGreaterThanOrEqual(20);
        }));
    }
  }

  test("plays the HTTP streams without a warning", () =>
    server.explain(async () => {
      for (const path of ["/Back/", "/Front/"]) {
        const seen = await playQuietly(server.httpUrl(path, VIEWER), 1, [
          "-f",
          "mpjpeg",
          "-use_wallclock_as_timestamps",
          "1",
        ]);
        expect(seen.different).toBeGreaterThanOrEqual(20);
      }
    }));

  test("is refused with 401 when the password is wrong or missing, and gets no picture", () =>
    server.explain(async () => {
      for (const login of [WRONG, undefined]) {
        for (const url of [server.rtspUrl("/live/back", login), server.httpUrl("/Back/", login)]) {
          const run = await runClient(
            ["ffmpeg", "-nostdin", "-v", "warning", "-i", url, "-t", "1", "-f", "null", "-"],
            {
              timeoutMs: 20_000,
            },
          );
          expect(run.code).not.toBe(0);
          expect(run.stderr).toContain("401 Unauthorized");
        }
      }
    }));
});

describe.concurrent("ffprobe", () => {
  for (const path of [...H264, ...JPEG]) {
    for (const transport of TRANSPORTS) {
      test(`knows codec, size and rate of ${path} over ${transport} and is silent`, () =>
        server.explain(async () => {
          const options = ["-v", "warning", "-rtsp_transport", transport, "-show_streams", "-of", "json"];
          const run = await runClient(["ffprobe", ...options, server.rtspUrl(path, VIEWER)], { timeoutMs: 20_000 });
          expect(run.stderr).toBe("");
          expect(run.code).toBe(0);
          const { streams } = JSON.parse(run.stdout) as Probe;
          const isJpeg = path.endsWith("mjpeg");
          expect(streams).toHaveLength(1);
          expect(streams[0]).toMatchObject({
            codec_type: "video",
            codec_name: isJpeg ? "mjpeg" : "h264",
            width: 1280,
            height: 720,
            r_frame_rate: isJpeg ? expect.any(String) : "25/1",
            ...(isJpeg ? {} : { profile: "Constrained Baseline" }),
          });
        }));
    }
  }
});
