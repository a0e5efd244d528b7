import { afterEach, describe, expect, it } from "vitest";
import type { HostEvent } from "../contract/events.ts";
import { Code } from "../contract/host.ts";
import type { CameraSource } from "./camera-source.ts";
import { FedCamera } from "./fed-camera.ts";
import { NodeHost } from "./host.ts";
import { hostBytes } from "./host-text.ts";

const hosts: NodeHost[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) {
    await host.dispose();
    expect(host.openHandles).toBe(0);
  }
});

function hostWith(camera: CameraSource) {
  const host = new NodeHost({ cameras: new Map([["back", camera]]) });
  hosts.push(host);
  const take = (): HostEvent[] => JSON.parse(host.takeEvents());
  return { host, take };
}

const encoderSpec = (codec: "h264" | "jpeg") =>
  JSON.stringify({ camera: "back", codec, width: 640, height: 480, fps: 25, rotation: "auto", mirror: false });

const CAPTURE = JSON.stringify({ width: 32, height: 16, quality: 80, rotation: 0 });
/** 32 × 16, with a scan of five bytes. */
const JPEG = Buffer.from(
  "ffd8ffc0000b0800100020010111 00ffda0008010100003f00 1234ff0056 ffd9".replaceAll(" ", ""),
  "hex",
);
const IDR = Buffer.from("00000001 6742001f 00000001 68ce3c80 000001 658884".replaceAll(" ", ""), "hex");
const SLICE = Buffer.from("000001 419a22".replaceAll(" ", ""), "hex");

describe("an encoder of a fed camera", () => {
  it("tells its format before the first frame, and begins with a key frame", () => {
    const camera = new FedCamera();
    const { host, take } = hostWith(camera);
    const encoder = host.encoderOpen(encoderSpec("h264"));
    camera.feedAnnexB(SLICE);
    camera.feedAnnexB(IDR);
    camera.feedAnnexB(SLICE);
    expect(take()).toMatchObject([
      { type: "encoder", handle: encoder, state: "running" },
      { type: "format", handle: encoder, codec: "h264", parameterSets: ["\x67\x42\u0100\x1f", "\x68\xce\x3c\x80"] },
      { type: "frame", key: true, length: IDR.length, units: [{}, {}, { head: "\x65\x88" }] },
      { type: "frame", key: false, length: SLICE.length, units: [{ offset: 3, length: 3, head: "\x41\x9a" }] },
    ]);
    camera.feedAnnexB(IDR);
    expect(take()).toMatchObject([{ type: "frame", key: true }]);
  });

  it("gives the two units of a JPEG image, and the image's size", () => {
    const camera = new FedCamera();
    const { host, take } = hostWith(camera);
    host.encoderOpen(encoderSpec("jpeg"));
    camera.feedJpeg(JPEG);
    expect(take()).toMatchObject([
      { type: "encoder" },
      { type: "format", codec: "jpeg", width: 32, height: 16, parameterSets: [] },
      { type: "frame", key: true, units: [{ offset: 0 }, { length: 5, head: "" }] },
    ]);
  });

  it("says so when the camera's state changes", () => {
    const camera = new FedCamera();
    const { host, take } = hostWith(camera);
    camera.setInfo({ state: "in_use", reason: "another app has it", codecs: ["h264"], sizes: [] });
    expect(take()).toEqual([{ type: "cameras" }]);
    expect(JSON.parse(host.cameras())).toMatchObject([{ name: "back", state: "in_use", reason: "another app has it" }]);
  });
});

describe("a still picture", () => {
  it("is the next image of a JPEG encoder, which closes again", () => {
    const camera = new FedCamera();
    const { host, take } = hostWith(camera);
    const request = host.capture("back", CAPTURE);
    camera.feedJpeg(JPEG);
    const [event] = take();
    expect(event).toMatchObject({ type: "captured", handle: request, length: JPEG.length, timeUs: expect.any(Number) });
    expect(camera.encoders.size).toBe(0);
    expect(host.blobRelease((event as { blob: number }).blob)).toBe(Code.OK);
  });

  it("fails with the camera's reason", () => {
    const camera = new FedCamera();
    const { host, take } = hostWith(camera);
    const request = host.capture("back", CAPTURE);
    camera.feedState("failed", "the lens cap is on");
    expect(take()).toEqual([{ type: "captureFailed", handle: request, reason: "the lens cap is on" }]);
    expect(camera.encoders.size).toBe(0);
  });

  it("comes from the camera itself where that can take one", async () => {
    const camera = new FedCamera();
    const { host, take } = hostWith(Object.assign(camera, { capture: async () => JPEG }));
    host.capture("back", CAPTURE);
    await new Promise((resolve) => setImmediate(resolve));
    expect(take()).toMatchObject([{ type: "captured", length: JPEG.length }]);
  });

  it("is asked of an existing camera, in a size", () => {
    const { host } = hostWith(new FedCamera());
    expect(host.capture("side", CAPTURE)).toBe(Code.NOT_FOUND);
    expect(host.capture("back", "{}")).toBe(Code.INVALID);
  });
});

it("text of bytes and bytes of text are each other's inverse", () => {
  expect(hostBytes("\u0100\u0001\xff")).toEqual(Buffer.from([0, 1, 255]));
});
