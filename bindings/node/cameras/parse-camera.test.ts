import { expect, test } from "vitest";
import { ClipCamera } from "./clip-camera.ts";
import { FfmpegCamera } from "./ffmpeg-camera.ts";
import { createCamera, parseClipSpec } from "./parse-camera.ts";
import { TestCamera } from "./test-camera.ts";

test.each([
  ["test:back", TestCamera],
  ["test:front", TestCamera],
  ["test:back?padded", TestCamera],
  ["clip:some/file.h264@30?exact", ClipCamera],
  ["file:some/film.mp4", FfmpegCamera],
  ["v4l2:/dev/video0", FfmpegCamera],
  ["lavfi:testsrc2=size=320x240", FfmpegCamera],
])("%s makes a camera", (spec, kind) => {
  expect(createCamera("cam", spec)).toBeInstanceOf(kind);
});

test.each([
  ["a.h264", { path: "a.h264", exact: false }],
  ["/x/a.h264@30", { path: "/x/a.h264", exact: false, fps: 30 }],
  ["a@b/c.h264@29.97?exact", { path: "a@b/c.h264", exact: true, fps: 29.97 }],
  ["a@b/c.h264", { path: "a@b/c.h264", exact: false }],
  ["a.mjpeg?exact", { path: "a.mjpeg", exact: true }],
])("clip:%s is read from its end", (text, expected) => {
  expect(
    parseClipSpec(text, (message) => {
      throw new Error(message);
    }),
  ).toEqual(expected);
});

test.each([
  ["", '"" is none of test:back[?padded], test:front[?padded], clip:'],
  ["back", '"back" is none of'],
  ["rtsp://somewhere", "is none of"],
  ["test:", "test: isn't one of test:back, test:front"],
  ["test:side", "test:side isn't one of"],
  ["test:back?paded", "test:back?paded isn't one of"],
  ["clip:", "clip: needs a path"],
  ["clip:@25", "clip: needs a path"],
  ["clip:?exact", "clip: needs a path"],
  ["clip:a@0", 'clip rate "@0" is no number above 0'],
  ["clip:a@241", 'clip rate "@241"'],
  ["clip:a@1e2", 'clip rate "@1e2"'],
  ["clip:a@fast", 'clip rate "@fast"'],
  ["clip:a?fast", 'clip option "?fast" is unknown'],
  ["file:", "file: needs a path"],
  ["v4l2:video0", "v4l2: needs a device such as"],
  ["lavfi:", "lavfi: needs a filter graph"],
])("%j is refused in one line that names the camera", (spec, message) => {
  let text = "";
  try {
    createCamera("door", spec);
  } catch (error) {
    text = (error as Error).message;
  }
  expect(text).toContain("camera door: ");
  expect(text).toContain(message);
  expect(text).not.toContain("\n");
});
