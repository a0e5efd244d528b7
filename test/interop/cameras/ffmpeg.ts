/** The system's ffmpeg as a judge of streams. */
import { spawnSync } from "node:child_process";

/** Decodes everything; @returns what ffmpeg complained about, and a hash of every picture. */
export function decode(stream: Buffer, format: "h264" | "mjpeg"): { errors: string; pictures: string[] } {
  const run = spawnSync(
    "ffmpeg",
    [
      "-v",
      "error",
      "-xerror",
      "-threads",
      "1",
      "-f",
      format,
      "-i",
      "pipe:0",
      "-f",
      "framemd5",
      "-fps_mode",
      "passthrough",
      "pipe:1",
    ],
    { input: stream, encoding: "utf8", maxBuffer: 1 << 24, timeout: 60_000 },
  );
  if (run.error) throw run.error;
  const lines = run.stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return { errors: run.stderr, pictures: lines.map((line) => line.split(",").at(-1)!.trim()) };
}
