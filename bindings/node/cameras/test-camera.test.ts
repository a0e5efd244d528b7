import { describe, expect, test } from "vitest";
import { parseJpegHeader } from "../../../core-ts/media/jpeg-header.ts";
import { FakeSink, FakeTime, spec } from "../../../test/fakes/camera-fakes.ts";
import { Code, type EncoderSpec } from "../../contract/host.ts";
import { TestCamera } from "./test-camera.ts";

function open(overrides: Partial<EncoderSpec> = {}, camera: "back" | "front" = "back") {
  const time = new FakeTime();
  const source = new TestCamera({ camera, timers: time });
  const sink = new FakeSink();
  const encoder = source.open(spec({ bitrate: 2_000_000, ...overrides }), sink, time.nowUs);
  const startUs = time.us;
  const times = (): number[] => sink.frames.map(({ timeUs }) => timeUs - startUs);
  const keys = (): number[] => sink.frames.flatMap(({ key }, index) => (key ? [index] : []));
  /** Bits per second over the frames from `from` on, at 25 frames a second. */
  const rate = (from: number): number => {
    const frames = sink.frames.slice(from);
    return (frames.reduce((sum, { data }) => sum + data.length, 0) * 8 * 25) / frames.length;
  };
  return { time, source, sink, encoder, times, keys, rate };
}

test("An encoder tells starting, running and its format, and the first frame is a key frame that comes at once", () => {
  const { time, sink, times } = open();
  expect(sink.log).toEqual(["starting: the clip begins"]);
  time.advance(0);
  expect(sink.log).toEqual(["starting: the clip begins", "running", "1280x720", "key"]);
  expect(times()).toEqual([0]);
});

test("The format's parameter sets are those in the key frame, without start codes", () => {
  const { time, sink } = open();
  time.advance(0);
  const heads = sink.frames[0]!.units.map(({ head }) => head);
  expect(sink.formats[0]!.parameterSets).toEqual(heads.slice(0, 2));
  expect(heads[0]!.slice(0, 4)).toBe("\x67\x42\xc0\x1f");
});

test("The camera lists the one size there is", () => {
  const { source } = open();
  expect(source.info()).toEqual({
    ...{ state: "ok", facing: "back", codecs: ["h264", "jpeg"] },
    sizes: [{ width: 1280, height: 720, maxFps: 60 }],
  });
});

test("Without its clips the camera says so, and an encoder fails", () => {
  const source = new TestCamera({ camera: "back", clipsFolder: "/nonexistent" });
  const sink = new FakeSink();
  source.open(spec(), sink, () => 0);
  expect(source.info()).toMatchObject({ state: "error", reason: "the test clips are missing (/nonexistent)" });
  expect(sink.log).toEqual(["failed: the test clips are missing (/nonexistent)"]);
});

describe("H.264", () => {
  test.each([10, 25, 30, 45, 60])("At %d frames a second every frame of the clip comes, evenly", (fps) => {
    const { time, times, keys } = open({ fps });
    time.advance(10_000_000);
    expect(times()).toEqual(Array.from({ length: fps * 10 + 1 }, (_, i) => Math.round((i * 1e6) / fps)));
    expect(keys()).toEqual(Array.from({ length: Math.floor((fps * 10) / 50) + 1 }, (_, i) => i * 50));
  });

  test("More frames than the camera gives are not to be had", () => {
    const { time, times } = open({ fps: 1000 });
    time.advance(1_000_000);
    expect(times()).toHaveLength(61);
  });

  test("The loop goes on with the first frame after the last, and shares the clip's bytes with every encoder", () => {
    const { time, sink } = open();
    const other = open();
    time.advance(4_000_000);
    other.time.advance(0);
    expect(sink.frames[100]!.data.equals(sink.frames[0]!.data)).toBe(true);
    expect(sink.frames[100]!.data.buffer).toBe(other.sink.frames[0]!.data.buffer);
  });

  test("A requested key frame is the next frame, and the one after follows it in the clip", () => {
    const { time, sink, encoder, keys, times } = open();
    time.advance(400_000);
    expect(encoder.requestKeyFrame()).toBe(Code.OK);
    expect(encoder.requestKeyFrame()).toBe(Code.OK);
    time.advance(400_000);
    expect(keys()).toEqual([0, 11]);
    expect(times().slice(9, 13)).toEqual([360_000, 400_000, 440_000, 480_000]);
    const straight = open();
    straight.time.advance(3_000_000);
    // Frame 11 is the clip's 50.
    for (let i = 0; i < 10; i++) expect(sink.frames[11 + i]!.data).toEqual(straight.sink.frames[50 + i]!.data);
  });

  test("Two key frames side by side differ in idr_pic_id, as H.264 section 7.4.3 demands", () => {
    const { time, sink, encoder } = open();
    time.advance(0);
    for (let i = 0; i < 6; i++) {
      encoder.requestKeyFrame();
      time.advance(40_000);
    }
    expect(sink.frames.every(({ key }) => key)).toBe(true);
    for (const [index, frame] of sink.frames.entries()) {
      if (index > 0) expect(frame.data.equals(sink.frames[index - 1]!.data)).toBe(false);
    }
  });

  test.each([
    [10_000_000, 4_000_000],
    [4_000_000, 4_000_000],
    [3_999_999, 2_000_000],
    [600_000, 500_000],
    [10_000, 250_000],
  ])("A wish of %d bits a second gives the rendition of %d", (wanted, given) => {
    const { time, rate } = open({ bitrate: wanted });
    time.advance(3_960_000);
    expect(Math.abs(rate(0) / given - 1)).toBeLessThan(0.1);
  });

  test("A clip played faster has a higher bit rate, and the choice of rendition knows", () => {
    const { time, sink } = open({ bitrate: 2_400_000, fps: 60 });
    time.advance(10_000_000);
    const bits = sink.frames.reduce((sum, { data }) => sum + data.length * 8, 0) / 10;
    expect(bits).toBeGreaterThan(2_200_000);
    expect(bits).toBeLessThan(2_640_000);
  });

  test("A new bit rate holds from the next frame on, which is a key frame; the same one again changes nothing", () => {
    const { time, sink, encoder, keys, rate, times } = open({ bitrate: 4_000_000 });
    time.advance(1_000_000);
    expect(encoder.setBitrate(500_000)).toBe(Code.OK);
    time.advance(4_000_000);
    expect(keys()).toEqual([0, 26, 76]);
    expect(Math.abs(rate(26) / 500_000 - 1)).toBeLessThan(0.1);
    expect(encoder.setBitrate(520_000)).toBe(Code.OK);
    time.advance(800_000);
    expect(keys()).toEqual([0, 26, 76, 126]);
    expect(times()).toEqual(times().map((_, i) => i * 40_000));
    // The renditions share their parameter sets but not the format object: a repeated format would be harmless, none is better.
    expect(sink.formats.map(({ parameterSets }) => parameterSets)).toEqual(
      sink.formats.map(() => sink.formats[0]!.parameterSets),
    );
  });

  test("A stall leaves out times, but no frame of the chain", () => {
    const { time, sink, times, keys } = open();
    time.advance(400_000);
    time.stall(10_000_000);
    time.advance(400_000);
    expect(times().slice(10, 13)).toEqual([400_000, 10_400_000, 10_440_000]);
    expect(keys()).toEqual([0]);
    const straight = open();
    straight.time.advance(840_000);
    expect(sink.frames.map(({ data }) => data)).toEqual(straight.sink.frames.map(({ data }) => data));
  });

  test("There is no quality to set, and no bit rate of 0", () => {
    const { encoder } = open();
    expect(encoder.setQuality(50)).toBe(Code.UNSUPPORTED);
    expect(encoder.setBitrate(0)).toBe(Code.INVALID);
  });
});

describe("Padded H.264", () => {
  const open25 = (bitrate: number) => {
    const time = new FakeTime();
    const sink = new FakeSink();
    const encoder = new TestCamera({ camera: "back", padded: true, timers: time }).open(
      spec({ bitrate, fps: 25 }),
      sink,
      time.nowUs,
    );
    const rate = (frames: FakeSink["frames"]): number =>
      (frames.reduce((sum, { data }) => sum + data.length, 0) * 8 * 25) / frames.length;
    const keys = (): number[] => sink.frames.flatMap(({ key }, index) => (key ? [index] : []));
    return { time, sink, encoder, rate, keys };
  };

  test.each([7_000_000, 3_000_000, 1_100_000, 260_000])("The rate is exactly %d bits a second", (bitrate) => {
    const { time, sink, rate, keys } = open25(bitrate);
    time.advance(3_960_000);
    expect(sink.frames).toHaveLength(100);
    expect(Math.abs(rate(sink.frames) / bitrate - 1)).toBeLessThan(0.02);
    expect(keys()).toEqual([0, 50]);
  });

  test("A frame is the clip's, with one SEI message of user data before its slice", () => {
    const { time, sink } = open25(1_500_000);
    const plain = open({ bitrate: 1_500_000 });
    time.advance(400_000);
    plain.time.advance(400_000);
    for (const [index, { data, units, key }] of sink.frames.entries()) {
      expect(units.map(({ head }) => head.charCodeAt(0) & 0x1f)).toEqual(key ? [7, 8, 6, 5] : [6, 1]);
      const sei = units.at(-2)!;
      const message = data.subarray(sei.offset, sei.offset + sei.length);
      // payloadType 5, payloadSize as a sum of bytes that ends with the first below 255 (section 7.3.2.3.1), rbsp_trailing_bits.
      let at = 2;
      let size = 0;
      while (message[at] === 255) size += message[at++]!;
      size += message[at++]!;
      expect([message[0], message[1]]).toEqual([6, 5]);
      expect(at + size + 1).toBe(message.length);
      expect(message.at(-1)).toBe(0x80);
      const without = Buffer.concat([data.subarray(0, sei.offset - 4), data.subarray(sei.offset + sei.length)]);
      expect(without).toEqual(plain.sink.frames[index]!.data);
    }
  });

  test("A new rate holds from the next frame on; a key frame comes only with a smaller rendition", () => {
    const { time, sink, encoder, rate, keys } = open25(1_900_000);
    time.advance(400_000);
    // Both from the rendition of 1 Mbit/s.
    expect(encoder.setBitrate(1_200_000)).toBe(Code.OK);
    time.advance(400_000);
    expect(rate(sink.frames.slice(1, 11)) / rate(sink.frames.slice(11, 21))).toBeGreaterThan(1.3);
    expect(keys()).toEqual([0]);
    // A better one begins where a key frame comes anyway.
    encoder.setBitrate(2_500_000);
    time.advance(1_600_000);
    expect(keys()).toEqual([0, 50]);
    expect(sink.frames[51]!.units.at(-1)!.length).toBeGreaterThan(1.3 * sink.frames[1]!.units.at(-1)!.length);
    encoder.setBitrate(400_000);
    time.advance(40_000);
    expect(keys()).toEqual([0, 50, sink.frames.length - 1]);
  });
});

describe("JPEG", () => {
  /** Which of the clip's 25 pictures each frame is. */
  function pictures(frames: FakeSink["frames"], camera: "back" | "front" = "back"): number[] {
    const straight = open({ codec: "jpeg", fps: 25 }, camera);
    straight.time.advance(960_000);
    return frames.map(({ data }) => straight.sink.frames.findIndex((picture) => picture.data.equals(data)));
  }

  test.each([1, 7, 10, 25, 30, 50, 60])("At %d frames a second the pictures keep their real speed", (fps) => {
    const { time, sink, times } = open({ codec: "jpeg", fps });
    time.advance(2_000_000);
    expect(times()).toEqual(Array.from({ length: fps * 2 + 1 }, (_, i) => Math.round((i * 1e6) / fps)));
    expect(pictures(sink.frames)).toEqual(sink.frames.map((_, i) => Math.floor((i * 25) / fps) % 25));
  });

  test("A stall leaves out pictures with their times", () => {
    const { time, sink, times } = open({ codec: "jpeg" });
    time.advance(0);
    time.stall(10_400_000);
    time.advance(0);
    expect(times()).toEqual([0, 10_400_000]);
    expect(pictures(sink.frames)).toEqual([0, 10]);
  });

  test("A frame is two units that are all of the image but EOI, with tables that RTP can carry", () => {
    const { time, sink } = open({ codec: "jpeg" });
    time.advance(0);
    const [frame] = sink.frames;
    const [headers, scan] = frame!.units;
    expect([headers!.offset, scan!.offset]).toEqual([0, headers!.length]);
    expect(scan!.offset + scan!.length).toBe(frame!.data.length - 2);
    expect(parseJpegHeader(headers!.head)).toMatchObject({ width: 1280, height: 720, type: 1 });
    expect(sink.formats).toEqual([{ codec: "jpeg", width: 1280, height: 720, parameterSets: [] }]);
  });

  test("The quality takes the nearest set, from the next frame on", () => {
    const { time, sink, encoder } = open({ codec: "jpeg", quality: 90 });
    /** One step of the luma table, which the nearest quality scales from 61. */
    const step = (): number => {
      const { data } = sink.frames.at(-1)!;
      const table = data.indexOf(Buffer.of(0xff, 0xdb)) + 5;
      return Math.max(...data.subarray(table, table + 64));
    };
    time.advance(0);
    const steps = [step()];
    for (const quality of [100, 69, 55, 40, 1]) {
      expect(encoder.setQuality(quality)).toBe(Code.OK);
      time.advance(40_000);
      steps.push(step());
    }
    // 121 is the largest step of annex K's table: 40, 80, 125 and 250 percent of it.
    expect(steps).toEqual([48, 48, 97, 97, 151, 255]);
    expect(encoder.setQuality(0)).toBe(Code.INVALID);
    expect(encoder.setQuality(101)).toBe(Code.INVALID);
  });

  test("Every frame is a key frame, and there is no bit rate to set", () => {
    const { time, sink, encoder } = open({ codec: "jpeg" });
    time.advance(1_000_000);
    expect(encoder.requestKeyFrame()).toBe(Code.OK);
    expect(encoder.setBitrate(100_000)).toBe(Code.UNSUPPORTED);
    expect(sink.frames.every(({ key }) => key)).toBe(true);
  });
});

test("The two cameras show different pictures", () => {
  const [back, front] = [open({ codec: "jpeg" }, "back"), open({ codec: "jpeg" }, "front")];
  back.time.advance(0);
  front.time.advance(0);
  expect(back.sink.frames[0]!.data.equals(front.sink.frames[0]!.data)).toBe(false);
  expect(front.source.info().facing).toBe("front");
});

test("Encoders of one camera don't touch each other, and closing ends just one", () => {
  const time = new FakeTime();
  const source = new TestCamera({ camera: "back", timers: time });
  const [a, b] = [new FakeSink(), new FakeSink()];
  const first = source.open(spec(), a, time.nowUs);
  time.advance(100_000);
  const second = source.open(spec(), b, time.nowUs);
  time.advance(100_000);
  second.requestKeyFrame();
  time.advance(100_000);
  expect(a.frames.filter(({ key }) => key)).toHaveLength(1);
  expect(b.frames.filter(({ key }) => key)).toHaveLength(2);
  first.close();
  first.close();
  const before = a.log.length;
  time.advance(1_000_000);
  expect(a.log).toHaveLength(before);
  expect(b.frames.length).toBeGreaterThan(25);
  source.close();
  source.close();
  expect(time.waiting).toBe(0);
});

test("An encoder closed by its first event says nothing more", () => {
  const time = new FakeTime();
  const source = new TestCamera({ camera: "back", timers: time });
  const sink = new FakeSink();
  const encoder = source.open(spec(), sink, time.nowUs);
  sink.onEvent = () => encoder.close();
  time.advance(1_000_000);
  expect(sink.log).toEqual(["starting: the clip begins", "running"]);
  expect(time.waiting).toBe(0);
});
