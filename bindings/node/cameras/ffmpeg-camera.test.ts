/** What needs no ffmpeg; test/interop/cameras has the rest. Programs here are Node itself, told what to do by a script. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeSink, spec } from "../../../test/fakes/camera-fakes.ts";
import { nowUs } from "../clock.ts";
import { type FfmpegInput, ffmpegArguments } from "./ffmpeg-arguments.ts";
import { FfmpegCamera } from "./ffmpeg-camera.ts";

const WAIT_MS = 10_000;
/** A program that a failed test left behind ends by itself. */
const PROGRAM_MS = 20_000;
/** Long enough for a program to start and write a line. */
const BLOCKED_MS = 300;
const DEVICE: FfmpegInput = { kind: "v4l2", target: "/dev/null" };
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "porthole-ffmpeg-camera-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!${process.execPath}\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function eventually(condition: () => boolean): Promise<void> {
  const until = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > until) throw new Error("not in time");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test.each([
  [{ kind: "file", target: "/nonexistent/film.mp4" }, "/nonexistent/film.mp4: no such file"],
  [{ kind: "v4l2", target: "/dev/video999" }, "/dev/video999: no such device"],
] as const)("What isn't there fails at once and shows in the camera's state", (input, reason) => {
  const camera = new FfmpegCamera({ input });
  const sink = new FakeSink();
  camera.open(spec(), sink, nowUs);
  expect(sink.log).toEqual([`failed: ${reason}`]);
  expect(camera.info()).toMatchObject({ state: "error", reason });
});

test("Without ffmpeg an encoder says that it isn't installed", async () => {
  const camera = new FfmpegCamera({ input: { kind: "lavfi", target: "testsrc2" }, program: "no-such-ffmpeg" });
  const sink = new FakeSink();
  camera.open(spec(), sink, nowUs);
  await sink.until(() => sink.log.length === 2, WAIT_MS);
  expect(sink.log).toEqual(["starting: ffmpeg is starting", "failed: no-such-ffmpeg isn't installed"]);
  expect(camera.info()).toMatchObject({ state: "error", reason: "no-such-ffmpeg isn't installed" });
});

test("A failure's reason is the last line of the error output, without object addresses", async () => {
  const fails = program("fails", 'console.error("first\\n[in @ 0x55aa] it broke\\n"); process.exitCode = 3;');
  const sink = new FakeSink();
  new FfmpegCamera({ input: DEVICE, program: fails }).open(spec(), sink, nowUs);
  await sink.until(() => sink.log.length === 2, WAIT_MS);
  expect(sink.log[1]).toBe("failed: [in] it broke");
});

test("A program that dies without a word is named with its code", async () => {
  const sink = new FakeSink();
  const camera = new FfmpegCamera({ input: DEVICE, program: program("dies", "process.exitCode = 3;") });
  camera.open(spec(), sink, nowUs);
  await sink.until(() => sink.log.length === 2, WAIT_MS);
  expect(sink.log[1]).toBe("failed: ffmpeg ended with code 3");
});

test.each(["h264", "jpeg"] as const)("Output that is no %s fails, and the program is killed", async (codec) => {
  const pidFile = join(folder, `pid-${codec}`);
  const talks = program(
    `talks-${codec}`,
    `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
     process.stdout.write("hello, this is no video at all"); setTimeout(() => {}, ${PROGRAM_MS});`,
  );
  const sink = new FakeSink();
  new FfmpegCamera({ input: DEVICE, program: talks }).open(spec({ codec }), sink, nowUs);
  await sink.until(() => sink.log.length === 2, WAIT_MS);
  expect(sink.log[1]).toMatch(codec === "h264" ? /isn't FLV/ : /not a JPEG image/);
  await eventually(() => !alive(Number(readFileSync(pidFile, "utf8"))));
});

describe("A device", () => {
  test("opens once: a second encoder is told that it is in use, and a later one waits for the first's end", async () => {
    const log = join(folder, "log");
    // Holds the device while it runs, and would notice another one that does.
    const holds = program(
      "holds",
      `const fs = require("fs");
       fs.appendFileSync(${JSON.stringify(log)}, process.pid + "\\n");
       setTimeout(() => {}, ${PROGRAM_MS});`,
    );
    const camera = new FfmpegCamera({ input: DEVICE, program: holds });
    const pids = (): number[] => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").map(Number) : []);
    const [first, second, third] = [new FakeSink(), new FakeSink(), new FakeSink()];
    const encoder = camera.open(spec(), first, nowUs);
    camera.open(spec({ codec: "jpeg" }), second, nowUs);
    expect(second.log).toEqual(["failed: /dev/null is in use by another encoder; a device opens once"]);
    await eventually(() => pids().length === 1);
    encoder.close();
    encoder.close();
    camera.open(spec(), third, nowUs);
    // Promises settle, but this process can't learn of the first's end: the next program must not be running yet.
    for (let i = 0; i < 10; i++) await Promise.resolve();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);
    expect(pids()).toHaveLength(1);
    await eventually(() => pids().length === 2);
    const [one, two] = pids();
    expect(alive(one!)).toBe(false);
    expect(alive(two!)).toBe(true);
    camera.close();
    camera.close();
    await eventually(() => !alive(two!));
    expect(first.log).toEqual(["starting: ffmpeg is starting"]);
    expect(third.log).toEqual(["starting: ffmpeg is starting"]);
  });

  test("closed before its program has started never starts it", async () => {
    const log = join(folder, "never");
    const marks = program("marks", `require("fs").appendFileSync(${JSON.stringify(log)}, "ran ");`);
    const camera = new FfmpegCamera({ input: DEVICE, program: marks });
    camera.open(spec(), new FakeSink(), nowUs).close();
    const sink = new FakeSink();
    camera.open(spec(), sink, nowUs);
    await sink.until(() => sink.log.length === 2, WAIT_MS);
    // The second began after the first's end, so the first would have left its word.
    expect(readFileSync(log, "utf8")).toBe("ran ");
    expect(sink.log[1]).toBe("ended: ffmpeg's input has ended");
  });
});

describe("The arguments", () => {
  const argument = (list: string[], option: string): string | undefined => list[list.indexOf(option) + 1];

  test("name a file so that nothing in its name is an option, a protocol or a network address", () => {
    const list = ffmpegArguments({ kind: "file", target: "http://x/-y; rm" }, spec());
    expect(argument(list, "-i")).toBe("file:http://x/-y; rm");
    expect(argument(list, "-protocol_whitelist")).toBe("file");
  });

  test("ask a device for the size before turning", () => {
    const list = ffmpegArguments(DEVICE, spec({ width: 720, height: 1280, rotation: 90, mirror: true, fps: 30 }));
    expect([argument(list, "-video_size"), argument(list, "-framerate"), argument(list, "-i")]).toEqual([
      "1280x720",
      "30",
      "/dev/null",
    ]);
    expect(argument(list, "-vf")).toMatch(/^fps=30,transpose=clock,hflip,scale=720:1280:/);
  });

  test("make key frames as often as asked, but a second apart at most", () => {
    const frames = (keyIntervalMs: number) => argument(ffmpegArguments(DEVICE, spec({ keyIntervalMs, fps: 30 })), "-g");
    expect([frames(1), frames(500), frames(1000), frames(5000)]).toEqual(["1", "15", "30", "30"]);
  });

  test("give even sides, and standard Huffman tables", () => {
    const list = ffmpegArguments(DEVICE, spec({ codec: "jpeg", width: 641, height: 1 }));
    expect(argument(list, "-vf")).toContain("pad=640:2:");
    expect(argument(list, "-huffman")).toBe("default");
  });
});
