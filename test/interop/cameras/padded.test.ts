/** What `test:back?padded` adds to the clips, as a decoder sees it: nothing. */
import { expect } from "vitest";
import { TestCamera } from "../../../bindings/node/cameras/test-camera.ts";
import { FakeSink, FakeTime, spec } from "../../fakes/camera-fakes.ts";
import { testWith } from "../clients.ts";
import { decode } from "./ffmpeg.ts";

const test = testWith("ffmpeg");

test("padded frames decode without a complaint to the clip's pictures", () => {
  const [padded, plain] = [true, false].map((wish) => {
    const time = new FakeTime();
    const sink = new FakeSink();
    new TestCamera({ camera: "back", padded: wish, timers: time }).open(spec({ bitrate: 1_700_000 }), sink, time.nowUs);
    time.advance(3_960_000);
    return decode(Buffer.concat(sink.frames.map(({ data }) => data)), "h264");
  });
  expect(padded?.errors).toBe("");
  expect(padded?.pictures).toHaveLength(100);
  expect(padded?.pictures).toEqual(plain?.pictures);
});
