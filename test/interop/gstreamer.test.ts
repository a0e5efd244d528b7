import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { Server, VIEWER, WRONG } from "./server.ts";

const test = testWith("gstreamer");

const PICTURES = 50;

/** Warnings of everything that handles the stream. Other elements complain about the machine when they are loaded. */
const CATEGORIES = ["*rtsp*", "*rtp*", "*udp*", "*sdp*", "*h264*", "*jpeg*", "libav", "identity"].map(
  (name) => `${name}:2`,
);
/** What it says when it shuts down while a request is under way. */
const SHUTDOWN = /^.*(receive|PAUSE|TEARDOWN) interrupted.*$/gm;
/**
 * What it says, seldom and on a busy machine, when its PAUSE comes behind the close of the connection: it has torn down and
 * closed it itself by then, as the server's log shows. The lines of one warning and one error, in which no other word stands.
 */
const LATE_PAUSE = new RegExp(
  [
    "^.*gst_rtspsrc_try_send.*Could not send message\\. \\(Received end-of-file\\)$",
    "^.*WARN.*gst_rtspsrc_pause.*Could not send message\\. \\(Received end-of-file\\)$",
    "^ERROR: from element \\S+rtspsrc0: Could not write to resource\\.$",
    "^Additional debug info:$",
    "^\\S+\\(\\d+\\): gst_rtspsrc_(?:try_send|pause) \\(\\): \\S+rtspsrc0:$",
    "^Could not send message\\. \\(Received end-of-file\\)$",
  ].join("|"),
  "gm",
);

const env = {
  GST_DEBUG: CATEGORIES.join(","),
  GST_DEBUG_NO_COLOR: "1",
  // Without it each run looks through all plugins anew, for seconds.
  GST_REGISTRY: join(mkdtempSync(join(tmpdir(), "porthole-gstreamer-")), "registry.bin"),
};

let server: Server;
beforeAll(async () => {
  await runClient(["gst-inspect-1.0", "--exists", "rtspsrc"], { timeoutMs: 50_000, env }).catch(() => undefined);
  server = await Server.start();
});
afterAll(async () => {
  rmSync(dirname(env.GST_REGISTRY), { recursive: true, force: true });
  await server?.stop();
});

/**
 * Plays until so many pictures are decoded, then ends by itself. Every buffer is named on standard output (`-v` of identity),
 * every error or warning of any element on standard error.
 */
function play(url: string, protocol: "udp" | "tcp", decoder: readonly string[]): ReturnType<typeof runClient> {
  const source = ["rtspsrc", `location=${url}`, `protocols=${protocol}`, "latency=200"];
  const sink = ["identity", "silent=false", `eos-after=${PICTURES}`, "!", "fakesink", "sync=false"];
  const command = ["gst-launch-1.0", "-v", ...source, "!", ...decoder, "!", ...sink];
  return runClient(command, { timeoutMs: 20_000, env });
}

const H264 = ["rtph264depay", "!", "h264parse", "!", "avdec_h264"];
const JPEG = ["rtpjpegdepay", "!", "jpegdec"];

describe.concurrent("GStreamer", () => {
  for (const protocol of ["udp", "tcp"] as const) {
    for (const [path, decoder] of [
      ["/live/back", H264],
      ["/live/front", H264],
      ["/live/back/mjpeg", JPEG],
      ["/live/front/mjpeg", JPEG],
    ] as const) {
      test(`decodes ${PICTURES} pictures of ${path} over ${protocol} without a warning`, () =>
        server.explain(async () => {
          const run = await play(server.rtspUrl(path, VIEWER), protocol, decoder);
          const buffers = run.stdout.split("\n").filter((line) => line.includes("chain   *****"));
          expect(buffers.length).toBeGreaterThanOrEqual(PICTURES - 1);
          const isLate = protocol === "tcp" && run.stderr.includes("gst_rtspsrc_pause");
          const said = run.stderr.replace(SHUTDOWN, "");
          expect((isLate ? said.replace(LATE_PAUSE, "") : said).trim()).toBe("");
          expect(run.stdout).not.toMatch(/WARNING|ERROR/);
          if (!isLate) expect(run.code).toBe(0);
        }));
    }
  }

  test("is refused when the password is wrong or missing, and gets no picture", () =>
    server.explain(async () => {
      for (const login of [WRONG, undefined]) {
        const run = await play(server.rtspUrl("/live/back", login), "tcp", H264);
        expect(run.code).not.toBe(0);
        expect(run.stderr).toContain("Unauthorized");
        expect(run.stdout).not.toContain("chain   *****");
      }
    }));
});
