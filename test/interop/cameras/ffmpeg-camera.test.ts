/** Cameras that are ffmpeg processes, with the real ffmpeg. */
import { join } from "node:path";
import { describe, expect } from "vitest";
import { Code, type EncoderSpec } from "../../../bindings/contract/host.ts";
import { FfmpegCamera, type FfmpegCameraOptions } from "../../../bindings/node/cameras/ffmpeg-camera.ts";
import { nowUs } from "../../../bindings/node/clock.ts";
import { parseSequenceParameters } from "../../../core-ts/media/h264-sps.ts";
import { parseJpegHeader } from "../../../core-ts/media/jpeg-header.ts";
import { FakeSink, spec } from "../../fakes/camera-fakes.ts";
import { testWith } from "../clients.ts";
import { decode } from "./ffmpeg.ts";

const test = testWith("ffmpeg");
const START_MS = 15_000;
const PICTURE = { kind: "lavfi", target: "testsrc2=size=320x240:rate=25" } as const;

async function run(options: FfmpegCameraOptions, overrides: Partial<EncoderSpec>, until: (sink: FakeSink) => boolean) {
  const camera = new FfmpegCamera(options);
  const sink = new FakeSink();
  const encoder = camera.open(spec({ width: 320, height: 240, ...overrides }), sink, nowUs);
  try {
    await sink.until(() => until(sink), START_MS);
  } finally {
    camera.close();
  }
  return { camera, sink, encoder, bytes: Buffer.concat(sink.frames.map(({ data }) => data)) };
}

/** Whether the decoded stream is the same length as what came, with nothing to complain about. */
function expectDecodes(bytes: Buffer, frames: number, format: "h264" | "mjpeg"): void {
  const { errors, pictures } = decode(bytes, format);
  expect(errors).toBe("");
  expect(pictures).toHaveLength(frames);
}

describe("H.264", () => {
  test("comes as asked: baseline, the size, key frames with parameter sets, steady rising times", async () => {
    const wanted = { keyIntervalMs: 200, bitrate: 300_000, fps: 25 };
    const { sink, bytes, encoder } = await run({ input: PICTURE }, wanted, ({ frames }) => frames.length >= 20);
    expect(sink.log.slice(0, 4)).toEqual(["starting: ffmpeg is starting", "running", "320x240", "key"]);
    const sets = sink.formats[0]!.parameterSets;
    expect(parseSequenceParameters(sets[0]!)).toMatchObject({ profile: 66, width: 320, height: 240 });
    for (const [index, { key, units }] of sink.frames.entries()) {
      expect(key).toBe(index % 5 === 0);
      const heads = units.map(({ head }) => head);
      if (key) expect(heads.slice(0, -1)).toEqual(sets);
      expect(heads.map((head) => head.charCodeAt(0) & 0x1f)).toEqual(key ? [7, 8, 5] : [1]);
    }
    const times = sink.frames.map(({ timeUs }) => timeUs);
    for (let i = 1; i < times.length; i++) expect(times[i]).toBeGreaterThan(times[i - 1]!);
    expect(times.at(-1)).toBeLessThanOrEqual(nowUs());
    expectDecodes(bytes, sink.frames.length, "h264");
    expect([encoder.requestKeyFrame(), encoder.setBitrate(1e5), encoder.setQuality(50)]).toEqual([
      Code.OK,
      Code.UNSUPPORTED,
      Code.UNSUPPORTED,
    ]);
  });

  test("has a key frame a second however long an interval is asked for", async () => {
    const wanted = { keyIntervalMs: 10_000, fps: 10 };
    const { sink } = await run({ input: PICTURE }, wanted, ({ frames }) => frames.length >= 12);
    expect(
      sink.frames
        .slice(0, 12)
        .map(({ key }) => key)
        .indexOf(true, 1),
    ).toBe(10);
  });
});

describe("JPEG", () => {
  test("is what RTP can carry, in the quality asked for", async () => {
    const sizes: number[] = [];
    for (const quality of [30, 90]) {
      const { sink, bytes } = await run(
        { input: PICTURE },
        { codec: "jpeg", quality },
        ({ frames }) => frames.length >= 3,
      );
      expect(sink.log.slice(0, 4)).toEqual(["starting: ffmpeg is starting", "running", "320x240", "key"]);
      for (const { units } of sink.frames) {
        expect(parseJpegHeader(units[0]!.head)).toMatchObject({ width: 320, height: 240, type: 1 });
      }
      expectDecodes(bytes, sink.frames.length, "mjpeg");
      sizes.push(sink.frames[0]!.data.length);
    }
    expect(sizes[1]).toBeGreaterThan(sizes[0]! * 1.5);
  });
});

test("A turned, mirrored camera of another shape is fitted into the size", async () => {
  const wanted = { codec: "jpeg", width: 240, height: 426, rotation: 90, mirror: true } as const;
  const { sink } = await run({ input: PICTURE }, wanted, ({ frames }) => frames.length >= 1);
  expect(sink.formats).toEqual([{ codec: "jpeg", width: 240, height: 426, parameterSets: [] }]);
});

test("A file loops", async () => {
  // 25 pictures of a second; the raw format has no times, so ffmpeg takes 25 a second.
  const input = {
    kind: "file",
    target: join(import.meta.dirname, "../../../bindings/node/clips/front-q20.mjpeg"),
  } as const;
  const wanted = { codec: "jpeg", width: 320, height: 180 } as const;
  const { sink } = await run({ input }, wanted, ({ frames }) => frames.length >= 30);
  expect(sink.frames.length).toBeGreaterThanOrEqual(30);
});

test("A source that comes to its end says so", async () => {
  const input = { kind: "lavfi", target: "testsrc2=size=64x64:rate=25:duration=0.2" } as const;
  const { sink } = await run({ input }, { codec: "jpeg" }, ({ log }) => log.some((line) => line.startsWith("ended")));
  expect(sink.log.at(-1)).toBe("ended: ffmpeg's input has ended");
  expect(sink.frames).toHaveLength(5);
});

test("What ffmpeg can't do fails with its last line, and the camera shows it", async () => {
  const input = { kind: "lavfi", target: "nosuchfilter" } as const;
  const { camera, sink } = await run({ input }, {}, ({ log }) => log.length >= 2);
  expect(sink.log[1]).toMatch(/^failed: nosuchfilter: Invalid argument$/);
  expect(camera.info()).toMatchObject({ state: "error", reason: "nosuchfilter: Invalid argument" });
});

test("A failure is forgotten with the next picture", async () => {
  const camera = new FfmpegCamera({ input: { kind: "lavfi", target: "testsrc2=size=64x64" } });
  let changes = 0;
  camera.onInfoChanged = () => changes++;
  const [bad, good] = [new FakeSink(), new FakeSink()];
  // libx264 refuses no bit rate but a negative one.
  camera.open(spec({ bitrate: -5 }), bad, nowUs);
  await bad.until(() => bad.log.length >= 2, START_MS);
  expect(bad.log[1]).toContain("failed: ");
  expect(camera.info().state).toBe("error");
  camera.open(spec({ codec: "jpeg" }), good, nowUs);
  await good.until(() => good.frames.length > 0, START_MS);
  expect(camera.info().state).toBe("ok");
  expect(changes).toBe(2);
  camera.close();
});
