/** What the test cameras play, as a decoder sees it. */
import { expect } from "vitest";
import { TestCamera } from "../../../bindings/node/cameras/test-camera.ts";
import { FakeSink, FakeTime, spec } from "../../fakes/camera-fakes.ts";
import { testWith } from "../clients.ts";
import { decode } from "./ffmpeg.ts";

const test = testWith("ffmpeg");

function play(codec: "h264" | "jpeg", camera: "back" | "front" = "back") {
  const time = new FakeTime();
  const sink = new FakeSink();
  const encoder = new TestCamera({ camera, timers: time }).open(spec({ codec, bitrate: 4e6 }), sink, time.nowUs);
  return { time, sink, encoder, bytes: () => Buffer.concat(sink.frames.map(({ data }) => data)) };
}

test("Changes of rendition, requests for key frames and the loop's end leave a stream that decodes frame by frame", () => {
  const { time, sink, encoder, bytes } = play("h264");
  for (const [index, bitrate] of [4e6, 250e3, 1e6, 500e3, 2e6, 4e6, 1e5].entries()) {
    time.advance(370_000 + index * 200_000);
    encoder.setBitrate(bitrate);
    time.advance(130_000);
    encoder.requestKeyFrame();
    time.advance(40_000);
    encoder.requestKeyFrame();
  }
  time.stall(7_000_000);
  time.advance(5_000_000);
  const { errors, pictures } = decode(bytes(), "h264");
  expect(errors).toBe("");
  expect(pictures).toHaveLength(sink.frames.length);
});

test("Two pictures 100 ms apart differ, also across the loop's end and a jump", () => {
  for (const camera of ["back", "front"] as const) {
    const { time, encoder, bytes } = play("h264", camera);
    time.advance(5_000_000);
    encoder.requestKeyFrame();
    time.advance(1_000_000);
    const { errors, pictures } = decode(bytes(), "h264");
    expect(errors).toBe("");
    for (let i = 3; i < pictures.length; i++) expect(pictures[i]).not.toBe(pictures[i - 3]);
  }
});

test("JPEG images of changing quality decode one by one", () => {
  const { time, sink, encoder, bytes } = play("jpeg");
  for (const quality of [20, 90, 55, 35]) {
    encoder.setQuality(quality);
    time.advance(400_000);
  }
  const { errors, pictures } = decode(bytes(), "mjpeg");
  expect(errors).toBe("");
  expect(pictures).toHaveLength(sink.frames.length);
});
