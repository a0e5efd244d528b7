/** The checked-in clips as a decoder sees them; their bytes are looked at in bindings/node/cameras/clips.test.ts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { testWith } from "../clients.ts";
import { decode } from "./ffmpeg.ts";

const folder = join(import.meta.dirname, "../../../bindings/node/clips");
const files = readdirSync(folder);
const test = testWith("ffmpeg");

test.each(files.filter((name) => name.endsWith(".h264")))(
  "%s decodes without a complaint to 100 pictures, none equal to one of the 100 ms before",
  (file) => {
    const { errors, pictures } = decode(readFileSync(join(folder, file)), "h264");
    expect(errors).toBe("");
    expect(pictures).toHaveLength(100);
    for (let i = 1; i < 100; i++) expect(pictures.slice(Math.max(0, i - 3), i)).not.toContain(pictures[i]);
  },
);

test.each(files.filter((name) => name.endsWith(".mjpeg")))(
  "%s decodes without a complaint to 25 different pictures",
  (file) => {
    const { errors, pictures } = decode(readFileSync(join(folder, file)), "mjpeg");
    expect(errors).toBe("");
    expect(new Set(pictures).size).toBe(25);
  },
);
