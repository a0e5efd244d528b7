/**
 * ffmpeg as Frigate runs it: the arguments of its presets (frigate/ffmpeg_presets.py of its repository, and
 * https://docs.frigate.video/configuration/ffmpeg_presets/), with one output for detection and one for recording.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { Server, VIEWER } from "./server.ts";

const test = testWith("ffmpeg");

const SECONDS = 4;
/** Longest that is lost where ffmpeg drops what it has probed: up to the next key frame. */
const KEY_INTERVAL_S = 2;
const DETECT = { fps: 5, width: 640, height: 360 };
const YUV420_BYTES = (DETECT.width * DETECT.height * 3) / 2;

const AGENT = ["-user_agent", "FFmpeg Frigate/0.17.0"];
const GLOBAL = ["-hide_banner", "-loglevel", "warning", "-threads", "2"];
const WALL_CLOCK = ["-use_wallclock_as_timestamps", "1"];
const FIVE_SECONDS = ["-timeout", "5000000"];

/** Input arguments by the preset's name. */
const PRESETS: Readonly<Record<string, { readonly http: boolean; readonly input: readonly string[] }>> = {
  "preset-rtsp-generic": {
    http: false,
    input: [
      ...AGENT,
      ...["-avoid_negative_ts", "make_zero", "-fflags", "+genpts+discardcorrupt"],
      ...["-rtsp_transport", "tcp", ...FIVE_SECONDS, ...WALL_CLOCK],
    ],
  },
  "preset-rtsp-restream": { http: false, input: [...AGENT, "-rtsp_transport", "tcp", ...FIVE_SECONDS] },
  "preset-rtsp-restream-low-latency": {
    http: false,
    input: [...AGENT, "-rtsp_transport", "tcp", ...FIVE_SECONDS, "-fflags", "nobuffer", "-flags", "low_delay"],
  },
  "preset-rtsp-udp": {
    http: false,
    input: [
      ...AGENT,
      ...["-avoid_negative_ts", "make_zero", "-fflags", "+genpts+discardcorrupt"],
      ...["-rtsp_transport", "udp", ...FIVE_SECONDS, ...WALL_CLOCK],
    ],
  },
  "preset-http-mjpeg-generic": {
    http: true,
    input: [
      ...AGENT,
      ...["-avoid_negative_ts", "make_zero", "-fflags", "nobuffer", "-flags", "low_delay"],
      ...["-strict", "experimental", "-fflags", "+genpts+discardcorrupt", ...WALL_CLOCK],
    ],
  },
};

/** preset-record-generic, and preset-record-mjpeg for what mp4 does not hold as it is. */
const segments = (codec: readonly string[]): string[] => [
  ...["-f", "segment", "-segment_time", "10", "-segment_format", "mp4", "-reset_timestamps", "1", "-strftime", "1"],
  ...codec,
];
const COPY = segments(["-c", "copy", "-an"]);
const ENCODE = segments(["-c:v", "libx264", "-an"]);

/**
 * What ffmpeg says of itself. It copies H.264 before it has seen enough to know that there are no B frames, so that the first
 * packets have no DTS yet; and its scaler warns of every JPEG's pixel format. Any camera's stream makes it say so.
 */
const OWN_WARNINGS = [
  /^\[segment @ \w+\] Timestamps are unset in a packet for stream 0\./,
  /^\[segment @ \w+\] Non-monoton\w+ DTS in output stream 0:0; previous: 0, current: 0; changing to 1\./,
  /^(?:\[swscaler @ \w+\] )+deprecated pixel format used/,
];
const warningsIn = (stderr: string): string[] =>
  stderr.split("\n").filter((line) => line !== "" && !OWN_WARNINGS.some((known) => known.test(line)));

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "porthole-frigate-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Frigate takes this from a pipe. */
function detectTo(output: string): string[] {
  const { fps, width, height } = DETECT;
  const scale = ["-r", String(fps), "-vf", `fps=${fps},scale=${width}:${height}`];
  return [...scale, "-threads", "2", "-f", "rawvideo", "-pix_fmt", "yuv420p", join(output, "detect.yuv")];
}

describe("Frigate's ffmpeg", () => {
  for (const name of ["preset-rtsp-generic", "preset-rtsp-restream"]) {
    test(`detects with ${name}, and says nothing at all`, () =>
      server.explain(async () => {
        const input = PRESETS[name]!.input;
        const url = server.rtspUrl("/live/front", VIEWER);
        const command = ["ffmpeg", "-nostdin", ...GLOBAL, ...input, "-t", "2", "-i", url, ...detectTo(folder)];
        const run = await runClient(command, { timeoutMs: 20_000 });
        expect(run).toMatchObject({ code: 0, stderr: "" });
      }));
  }

  for (const [name, { http, input }] of Object.entries(PRESETS)) {
    test(`detects and records with ${name}, without a warning`, () =>
      server.explain(async () => {
        const url = http ? server.httpUrl("/back", VIEWER) : server.rtspUrl("/live/back", VIEWER);
        const { fps } = DETECT;
        const command = [
          ...["ffmpeg", "-nostdin", ...GLOBAL, ...input, "-t", String(SECONDS), "-i", url],
          ...(http ? ENCODE : COPY),
          join(folder, "%Y%m%d%H%M%S.mp4"),
          ...detectTo(folder),
        ];
        const run = await runClient(command, { timeoutMs: 28_000 });
        expect(warningsIn(run.stderr)).toEqual([]);
        expect(run.code).toBe(0);

        const pictures = statSync(join(folder, "detect.yuv")).size / YUV420_BYTES;
        expect(pictures).toBeGreaterThanOrEqual(
          (SECONDS - 1 - (input.includes("nobuffer") ? KEY_INTERVAL_S : 0)) * fps,
        );
        expect(pictures).toBeLessThanOrEqual((SECONDS + 1) * fps);
        const recorded = readdirSync(folder).filter((file) => file.endsWith(".mp4"));
        expect(recorded).toHaveLength(1);
        const entries = ["-count_packets", "-show_entries", "stream=codec_name,width,height,nb_read_packets"];
        const probe = ["ffprobe", "-v", "warning", ...entries, "-of", "csv=p=0", join(folder, recorded[0]!)];
        const probed = await runClient(probe, { timeoutMs: 10_000 });
        expect(probed.stderr).toBe("");
        const [codec, w, h, packets] = probed.stdout.trim().split(",");
        expect([codec, w, h]).toEqual(["h264", "1280", "720"]);
        const lostS = input.includes("nobuffer") ? KEY_INTERVAL_S : 0;
        expect(Number(packets)).toBeGreaterThan((SECONDS - 1 - lostS) * 20);
      }));
  }
});
