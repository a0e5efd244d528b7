import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeSink, FakeTime, spec } from "../../../test/fakes/camera-fakes.ts";
import { Code, type EncoderSpec } from "../../contract/host.ts";
import { ClipCamera, type ClipCameraOptions } from "./clip-camera.ts";

const clips = join(import.meta.dirname, "../clips");
const h264 = join(clips, "back-250k.h264");
const mjpeg = join(clips, "front-q20.mjpeg");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "porthole-clip-camera-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function open(options: ClipCameraOptions, overrides: Partial<EncoderSpec> = {}) {
  const time = new FakeTime();
  const camera = new ClipCamera({ ...options, timers: time });
  const sink = new FakeSink();
  const startUs = time.us;
  const encoder = camera.open(spec(overrides), sink, time.nowUs);
  const bytes = (): Buffer => Buffer.concat(sink.frames.map(({ data }) => data));
  return { time, camera, sink, encoder, bytes, times: () => sink.frames.map(({ timeUs }) => timeUs - startUs) };
}

test("A clip comes out byte by byte as it is, again and again, at its own rate", () => {
  const { time, sink, bytes, times } = open({ path: h264, fps: 50 }, { fps: 10 });
  time.advance(3_990_000);
  const whole = readFileSync(h264);
  expect(bytes().equals(Buffer.concat([whole, whole]))).toBe(true);
  expect(times()).toEqual(Array.from({ length: 200 }, (_, i) => i * 20_000));
  expect(sink.log.slice(0, 4)).toEqual(["starting: the clip begins", "running", "1280x720", "key"]);
  expect(sink.formats).toHaveLength(1);
});

test("JPEG images do the same, and 25 a second is what nothing else says", () => {
  const { time, camera, bytes, times } = open({ path: mjpeg }, { codec: "jpeg" });
  time.advance(1_960_000);
  const whole = readFileSync(mjpeg);
  expect(bytes().equals(Buffer.concat([whole, whole]))).toBe(true);
  expect(times().at(-1)).toBe(1_960_000);
  expect(camera.info()).toEqual({
    ...{ state: "ok", facing: "external", codecs: ["jpeg"], sizes: [{ width: 1280, height: 720, maxFps: 25 }] },
  });
});

test("A key-frame request jumps to the next IDR picture", () => {
  const { time, sink, encoder } = open({ path: h264 });
  time.advance(120_000);
  expect(encoder.requestKeyFrame()).toBe(Code.OK);
  time.advance(80_000);
  expect(sink.frames.map(({ key }) => key)).toEqual([true, false, false, false, true, false]);
});

test("An exact clip never jumps, and says so", () => {
  const { time, bytes, encoder } = open({ path: h264, exact: true });
  time.advance(1_000_000);
  expect(encoder.requestKeyFrame()).toBe(Code.UNSUPPORTED);
  time.stall(3_000_000);
  time.advance(3_000_000);
  const sent = bytes();
  const whole = readFileSync(h264);
  expect(Buffer.concat([whole, whole]).subarray(0, sent.length).equals(sent)).toBe(true);
  expect(sent.length).toBeGreaterThan(whole.length * 0.9);
});

test("There is no bit rate and no quality to set", () => {
  const { encoder } = open({ path: h264 });
  expect(encoder.setBitrate(100_000)).toBe(Code.UNSUPPORTED);
  expect(encoder.setQuality(50)).toBe(Code.UNSUPPORTED);
});

test("New parameter sets in the middle of a file are told before their key frame, and again when the loop begins anew", () => {
  const first = readFileSync(h264);
  // The same clip with pic_init_qp changed in its PPS: 68 ce 32 c8.
  const second = Buffer.from(first);
  for (let at = second.indexOf("68ce32c8", 0, "hex"); at >= 0; at = second.indexOf("68ce32c8", at + 1, "hex")) {
    second[at + 3] = 0xc4;
  }
  const { time, sink } = open({ path: file("two.h264", Buffer.concat([first, second])) });
  time.advance(8_000_000);
  expect(sink.log.flatMap((line, index) => (line === "1280x720" ? [index] : []))).toEqual([2, 103, 204]);
  expect(sink.formats.map(({ parameterSets }) => parameterSets[1]!.charCodeAt(3))).toEqual([0xc8, 0xc4, 0xc8]);
});

test("What stands before the first IDR picture is left out", () => {
  const whole = readFileSync(h264);
  const sps = whole.indexOf("0000000167", 10, "hex");
  const secondSlice = whole.indexOf("000001", whole.indexOf("00000165", 0, "hex") + 5, "hex");
  const { time, sink } = open({ path: file("late.h264", whole.subarray(secondSlice)) });
  time.advance(0);
  expect(sink.frames[0]!.key).toBe(true);
  expect(sink.frames[0]!.data.equals(whole.subarray(sps, sps + sink.frames[0]!.data.length))).toBe(true);
});

test.each([
  ["missing", undefined, "no such file"],
  ["empty", "", "empty"],
  ["text", "hello", "neither an H.264 byte stream (Annex B) nor JPEG images"],
  ["cut.mjpeg", readFileSync(mjpeg).subarray(0, 40_000), "the last JPEG image is cut short"],
  ["broken.mjpeg", Buffer.from("ffd8ffe00002aaaa", "hex"), "not a JPEG image, or a damaged one"],
  ["bare.mjpeg", Buffer.from("ffd8ffd9", "hex"), "JPEG image 0 has no frame header or no scan"],
  ["no-idr.h264", Buffer.from("00000001419aaa", "hex"), "no IDR picture with parameter sets before it"],
  ["no-sps.h264", Buffer.from("000000016588aa", "hex"), "no IDR picture with parameter sets before it"],
  ["bad-sps.h264", Buffer.from("0000000167420000000168ce3c80000000016588aa", "hex"), "sequence parameter set"],
])("A file that is %s makes an encoder fail with the reason, and the camera shows it", (name, content, reason) => {
  const path = content === undefined ? join(folder, name) : file(name, content as Buffer);
  const { camera, sink } = open({ path }, { codec: name.includes("mjpeg") ? "jpeg" : "h264" });
  expect(sink.log).toHaveLength(1);
  expect(sink.log[0]).toContain(`failed: clip ${path}: `);
  expect(sink.log[0]).toContain(reason);
  expect(camera.info()).toMatchObject({ state: "error", codecs: [], sizes: [] });
  expect(camera.info().reason).toContain(reason);
});

test("A folder is no clip", () => {
  expect(open({ path: folder }).sink.log).toEqual([`failed: clip ${folder}: not a file`]);
});

test("The codec that isn't in the file is refused by name", () => {
  expect(open({ path: h264 }, { codec: "jpeg" }).sink.log).toEqual([`failed: clip ${h264}: holds H.264, not JPEG`]);
  expect(open({ path: mjpeg }).sink.log).toEqual([`failed: clip ${mjpeg}: holds JPEG, not H.264`]);
});

test("A file that appears later serves, and the change is told", () => {
  const path = join(folder, "later.h264");
  const { camera, time } = open({ path });
  let changes = 0;
  camera.onInfoChanged = () => changes++;
  writeFileSync(path, readFileSync(h264));
  const sink = new FakeSink();
  camera.open(spec(), sink, time.nowUs);
  time.advance(0);
  expect(sink.frames).toHaveLength(1);
  expect(changes).toBe(1);
  expect(camera.info().state).toBe("ok");
  camera.close();
  expect(time.waiting).toBe(0);
});
