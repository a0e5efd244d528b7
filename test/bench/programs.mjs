/**
 * Makes what the bench needs, in `.cache/bench`: the clip, the reader, and the servers to compare with. What can't be made
 * here is named with the reason, and left out.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { root } from "../../build-scripts/lib/setup.mjs";

const SOURCES = path.join(root, "test/bench");
export const CACHE = path.join(root, ".cache/bench");

export const FPS = 30;
export const KEY_INTERVAL_MS = 2000;

/** 1080p30 at 4 Mbit/s: 16 kB, or 12 packets, a frame. The noise keeps the encoder from saving bits. */
const CLIP = path.join(CACHE, "1080p30-4m.h264");
const CLIP_SECONDS = 10;
const KEY_FRAMES = (KEY_INTERVAL_MS / 1000) * FPS;
const CLIP_ARGS = [
  ...[
    "-f",
    "lavfi",
    "-i",
    `testsrc2=s=1920x1080:r=${FPS},noise=alls=12:allf=t,format=yuv420p`,
    "-t",
    `${CLIP_SECONDS}`,
  ],
  ...["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "1M"],
  "-x264-params",
  [
    `keyint=${KEY_FRAMES}:min-keyint=${KEY_FRAMES}:scenecut=0:bframes=0:slices=1:sliced-threads=0`,
    "repeat-headers=1:annexb=1:aud=0",
  ].join(":"),
  // 6 is SEI, which would be a packet of its own in key frames.
  ...["-bsf:v", "filter_units=remove_types=6", "-f", "h264"],
];

/** The clip's path. Throws without ffmpeg. */
export function makeClip() {
  fs.mkdirSync(CACHE, { recursive: true });
  if (fs.existsSync(CLIP)) return CLIP;
  const part = `${CLIP}.part`;
  must("ffmpeg", ["-nostdin", "-v", "error", "-y", ...CLIP_ARGS, part]);
  fs.renameSync(part, CLIP);
  return CLIP;
}

/** A C program's path. Throws with the compiler's words. */
export function makeC(name, flags = []) {
  const program = path.join(CACHE, name);
  const sources = [`${name}.c`, "clip.h"].map((file) => path.join(SOURCES, file));
  const built = fs.statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.every((file) => fs.statSync(file).mtimeMs < built)) return program;
  fs.mkdirSync(CACHE, { recursive: true });
  must("gcc", ["-O2", "-Wall", "-Wextra", "-o", program, sources[0], ...flags]);
  return program;
}

/** gst-rtsp-server's program; on Debian `apt-get install libgstrtspserver-1.0-dev`. */
export function makeGst() {
  const libraries = ["gstreamer-rtsp-server-1.0", "gstreamer-app-1.0"];
  const { status, stdout } = spawnSync("pkg-config", ["--cflags", "--libs", ...libraries], { encoding: "utf8" });
  if (status !== 0)
    throw new Error("libgstrtspserver-1.0-dev is not installed (apt-get install libgstrtspserver-1.0-dev)");
  return makeC("gst-server", stdout.trim().split(/\s+/));
}

/** gortsplib's program; Go fetches the library. Throws where there is no Go. */
export function makeGortsplib() {
  const program = path.join(CACHE, "gortsplib-server");
  const folder = path.join(CACHE, "gortsplib");
  const sources = ["go.mod", "main.go"].map((file) => path.join(SOURCES, "gortsplib", file));
  const built = fs.statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.every((file) => fs.statSync(file).mtimeMs < built)) return program;
  if (spawnSync("go", ["version"]).status !== 0) throw new Error("Go is not installed");
  fs.mkdirSync(folder, { recursive: true });
  for (const file of sources) fs.copyFileSync(file, path.join(folder, path.basename(file)));
  must("go", ["mod", "tidy"], { cwd: folder });
  must("go", ["build", "-o", program, "."], { cwd: folder });
  return program;
}

/** go2rtc is an application: it is measured where somebody has installed it. */
export function findGo2rtc() {
  const { status, stdout } = spawnSync("sh", ["-c", "command -v go2rtc"], { encoding: "utf8" });
  if (status !== 0) throw new Error("no go2rtc on the path");
  return stdout.trim();
}

function must(program, args, options = {}) {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: 300_000, ...options });
  if (error !== undefined) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${stderr.trim().split("\n").slice(-3).join(" | ")}`);
}
