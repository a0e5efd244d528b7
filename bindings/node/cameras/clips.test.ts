import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSequenceParameters } from "../../../core-ts/media/h264-sps.ts";
import { parseJpegHeader } from "../../../core-ts/media/jpeg-header.ts";
import { type Clip, loadClip } from "./clip.ts";
import type { ClipIndex } from "./test-camera.ts";

const folder = join(import.meta.dirname, "../clips");
const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as ClipIndex;
const cameras = Object.entries(index.cameras);
const renditions = cameras.flatMap(([, { h264 }]) => h264);
const jpegSets = cameras.flatMap(([, { jpeg }]) => jpeg);

const types = (frame: Clip["frames"][number]): number[] => frame.units.map(({ head }) => head.charCodeAt(0) & 0x1f);

/** ue(v) codes from the second byte of a slice: first_mb_in_slice, slice_type. */
function sliceFields(slice: Buffer): number[] {
  let at = 8;
  const bit = (): number => (slice[at >> 3]! >> (7 - (at++ & 7))) & 1;
  return [0, 0].map(() => {
    let zeros = 0;
    while (bit() === 0) zeros++;
    let value = 1;
    for (let i = 0; i < zeros; i++) value = value * 2 + bit();
    return value - 1;
  });
}

test("The clips take at most 25 MB and none is missing from the index", () => {
  const files = readdirSync(folder);
  expect(files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)).toBeLessThan(25e6);
  const listed = [...renditions, ...jpegSets].map(({ file }) => file);
  expect(files.filter((name) => name !== "index.json").sort()).toEqual(listed.sort());
  expect(cameras.map(([name]) => name)).toEqual(["back", "front"]);
});

describe.each(renditions)("$file", ({ file, bitrate }) => {
  const clip = loadClip(join(folder, file));

  test("is Constrained Baseline at level 3.1 and 1280x720", () => {
    const parameters = parseSequenceParameters(clip.frames[0]!.format.parameterSets[0]!);
    expect(parameters).toMatchObject({ profileLevelId: "42c01f", width: index.width, height: index.height });
  });

  test("has SPS, PPS and an IDR slice at frames 0 and 50, one P slice in every other frame, and nothing else", () => {
    for (const [position, frame] of clip.frames.entries()) {
      const key = position % 50 === 0;
      expect(types(frame)).toEqual(key ? [7, 8, 5] : [1]);
      expect(frame.key).toBe(key);
      const unit = frame.units.at(-1)!;
      // Slice types 5 … 9 promise that the whole picture is of that kind; 0 and 5 are P, 2 and 7 are I (table 7-6).
      const [firstMacroblock, sliceType] = sliceFields(frame.data.subarray(unit.offset, unit.offset + 12));
      expect([firstMacroblock, sliceType! % 5]).toEqual([0, key ? 2 : 0]);
    }
  });

  test("keeps its bit rate within a tenth and its largest frame below half a second's bytes", () => {
    const bytes = clip.frames.reduce((sum, frame) => sum + frame.data.length, 0);
    expect(bytes).toBe(statSync(join(folder, file)).size);
    const rate = (bytes * 8 * index.fps) / clip.frames.length;
    expect(Math.abs(rate / bitrate - 1)).toBeLessThan(0.1);
    expect(Math.max(...clip.frames.map(({ data }) => data.length))).toBeLessThan(bitrate / 8 / 2);
  });
});

test.each(cameras)("The renditions of %s share their parameter sets", (_, { h264 }) => {
  const sets = h264.map(({ file }) => loadClip(join(folder, file)).frames[0]!.format.parameterSets);
  for (const set of sets) expect(set).toEqual(sets[0]);
});

describe.each(jpegSets)("$file", ({ file }) => {
  const clip = loadClip(join(folder, file));

  test("is what RTP can carry: baseline, 4:2:0, 8-bit tables for luma and chroma, standard Huffman tables", () => {
    expect(clip.frames).toHaveLength(index.fps);
    for (const { units } of clip.frames) {
      const result = parseJpegHeader(units[0]!.head);
      expect(result).toMatchObject({ width: 1280, height: 720, type: 1, restartInterval: 0 });
    }
  });
});

test.each(cameras)("A higher JPEG quality of %s means larger pictures", (_, { jpeg }) => {
  const sizes = jpeg.map(({ file }) => statSync(join(folder, file)).size);
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
});
