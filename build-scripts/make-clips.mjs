/**
 * Makes the clips that the Node host's test cameras play: bindings/node/clips and its index.json.
 *
 *     node build-scripts/make-clips.mjs
 *
 * Needs ffmpeg with libx264, drawtext and a fontconfig that knows "DejaVu Sans Mono" (made with Debian's ffmpeg 5.1.9).
 * The clips are checked in, so nobody has to run this to build or test. The pictures are ffmpeg's own generators, so they
 * belong to the project. The same ffmpeg and libx264 give the same bytes again (one encoder thread, bit-exact muxing, no
 * time stamps or version texts); another version may not, and the tests check properties, not hashes.
 *
 * What the cameras rely on, and the tests check:
 * - every H.264 clip of a camera shows the same 100 pictures, so a player may change clips at any key frame;
 * - Constrained Baseline, level 3.1, one slice a frame, one reference, a key frame at 0 and 50 and nowhere else, SPS and
 *   PPS before each, no SEI, no access unit delimiters;
 * - JPEG with the standard Huffman tables (RFC 2435 carries none), 4:2:0, 8-bit quantization tables, one for luma and one
 *   for chroma, as phones write them.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const WIDTH = 1280;
const HEIGHT = 720;
const FPS = 25;
const SECONDS = 4;
const KEY_INTERVAL_FRAMES = 50;
/** Bits per second, highest first. */
const BITRATES = [4_000_000, 2_000_000, 1_000_000, 500_000, 250_000];
/** Rate control's window. 0.4 s keeps a key frame near six average frames. */
const VBV_SECONDS = 0.4;
/** Qualities on the usual 1 … 100 scale (Annex K tables scaled as the IJG library does), highest first. */
const QUALITIES = [80, 60, 40, 20];
/** JPEG sets are the first second only: they cost most of the bytes. */
const JPEG_SECONDS = 1;

const source = `s=${WIDTH}x${HEIGHT}:r=${FPS}:d=${SECONDS}`;
const label = (text, colour, x, y) =>
  `drawtext=font=DejaVu Sans Mono:text='${text}  %{n}':fontsize=96:fontcolor=${colour}` +
  `:box=1:boxcolor=black@0.7:boxborderw=16:x=${x}:y=${y}`;
/** The scrolls move 1/100 of the picture a frame: back where they began after 100 frames, and everything moves always. */
const CAMERAS = {
  back: `testsrc2=${source},scroll=h=0.01,${label("BACK", "white", "80", "80")}`,
  front:
    `gradients=${source}:n=4:c0=0x203080:c1=0x20a060:c2=0xd0a040:c3=0x904080:x0=0:y0=0:x1=${WIDTH}:y1=${HEIGHT}` +
    ":seed=7:speed=0.00001,drawgrid=w=160:h=120:t=6:c=white@0.5,scroll=h=-0.01:v=0.01," +
    label("FRONT", "yellow", "(w-tw)/2+320*sin(PI*t/2)", "(h-th)/2+200*cos(PI*t/2)"),
};

// ITU-T T.81 Annex K, tables K.1 and K.2, in rows.
const LUMA = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMA = [
  17,
  18,
  24,
  47,
  99,
  99,
  99,
  99,
  18,
  21,
  26,
  66,
  99,
  99,
  99,
  99,
  24,
  26,
  56,
  99,
  99,
  99,
  99,
  99,
  47,
  66,
  99,
  99,
  99,
  99,
  99,
  99,
  ...new Array(32).fill(99),
];
/** The IJG library's scaling. ffmpeg writes 8 for the DC step whatever the table says. */
const scaled = (table, quality) => {
  const percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  return table.map((step) => Math.min(255, Math.max(1, Math.floor((step * percent + 50) / 100)))).join(",");
};

function ffmpeg(...args) {
  const run = spawnSync("ffmpeg", ["-nostdin", "-v", "error", "-y", "-flags", "+bitexact", ...args], {
    encoding: "utf8",
  });
  if (run.error) throw run.error;
  if (run.status !== 0) throw new Error(`ffmpeg ${args.join(" ")}\n${run.stderr}`);
}

/** Sizes of a clip's frames in bytes and which of them are key frames. */
function probe(file) {
  const run = spawnSync("ffprobe", ["-v", "error", "-show_entries", "packet=size,flags", "-of", "csv=p=0", file], {
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`ffprobe ${file}\n${run.stderr}`);
  const packets = run.stdout
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  return {
    bytes: statSync(file).size,
    frames: packets.length,
    keyFrames: packets.flatMap(([, flags], index) => (flags.startsWith("K") ? [index] : [])),
    largestFrame: Math.max(...packets.map(([size]) => Number(size))),
  };
}

const outDir = join(dirname(fileURLToPath(import.meta.url)), "../bindings/node/clips");
mkdirSync(outDir, { recursive: true });
for (const name of readdirSync(outDir)) if (/\.(h264|mjpeg)$/.test(name)) rmSync(join(outDir, name));
const workDir = mkdtempSync(join(tmpdir(), "porthole-clips-"));
const index = { width: WIDTH, height: HEIGHT, fps: FPS, cameras: {} };
try {
  for (const [camera, graph] of Object.entries(CAMERAS)) {
    const pictures = join(workDir, `${camera}.y4m`);
    ffmpeg("-f", "lavfi", "-i", `${graph},format=yuv420p`, "-f", "yuv4mpegpipe", pictures);
    const h264 = [];
    for (const bitrate of BITRATES) {
      const name = `${camera}-${bitrate / 1000}k.h264`;
      const file = join(outDir, name);
      ffmpeg(
        ...["-i", pictures, "-c:v", "libx264", "-preset", "slow", "-profile:v", "baseline", "-level", "3.1"],
        ...["-b:v", `${bitrate}`, "-maxrate", `${bitrate}`, "-bufsize", `${bitrate * VBV_SECONDS}`, "-x264-params"],
        [
          `keyint=${KEY_INTERVAL_FRAMES}:min-keyint=${KEY_INTERVAL_FRAMES}:scenecut=0:bframes=0:ref=1:slices=1`,
          "threads=1:sliced-threads=0:repeat-headers=1:annexb=1:aud=0",
        ].join(":"),
        // 6 is SEI: x264 writes its whole command line into one.
        ...["-bsf:v", "filter_units=remove_types=6", "-f", "h264", file],
      );
      h264.push({ file: name, bitrate, ...probe(file) });
    }
    const jpeg = [];
    for (const quality of QUALITIES) {
      const name = `${camera}-q${quality}.mjpeg`;
      const file = join(outDir, name);
      ffmpeg(
        ...["-i", pictures, "-t", `${JPEG_SECONDS}`, "-vf", "scale=out_range=full", "-pix_fmt", "yuvj420p"],
        // A scale of 8 (eighths) takes the tables as they are. The encoder's own default makes optimized Huffman tables.
        ...["-c:v", "mjpeg", "-huffman", "default", "-q:v", "8", "-qmin", "8", "-qmax", "8"],
        ...["-intra_matrix", scaled(LUMA, quality), "-chroma_intra_matrix", scaled(CHROMA, quality)],
        ...["-f", "mjpeg", file],
      );
      const { bytes, frames, largestFrame } = probe(file);
      jpeg.push({ file: name, quality, bytes, frames, largestFrame });
    }
    index.cameras[camera] = { h264, jpeg };
    for (const clip of [...h264, ...jpeg])
      console.log(`${clip.file}: ${clip.bytes} bytes, largest ${clip.largestFrame}`);
  }
  writeFileSync(join(outDir, "index.json"), `${JSON.stringify(index, null, 2)}\n`);
  const total = readdirSync(outDir).reduce((sum, name) => sum + readFileSync(join(outDir, name)).length, 0);
  console.log(`${total} bytes in all`);
} finally {
  rmSync(workDir, { recursive: true, force: true });
}
