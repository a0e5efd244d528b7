/**
 * The test cameras `test:back` and `test:front`: checked-in clips played in real time, without ffmpeg.
 *
 * H.264: five renditions of the same pictures. The frame rate asked for (up to {@link TEST_CAMERA_MAX_FPS}) is kept by
 * playing all pictures faster or slower than they were made, since a picture can't be left out of a chain of
 * differences; a rendition's bit rate goes with it, and the choice of rendition takes that into account. A request for a
 * key frame jumps to the clip's next IDR picture for the next frame; so does a change of rendition, so that what comes
 * is decodable at once. The IDR pictures of a clip alternate `idr_pic_id`, so that jumps never put two alike together.
 * Otherwise key frames come as in the clip, every 50 frames, whatever `keyIntervalMs` says. With `?padded` the bit rate is
 * exactly the one asked for, at once (padded-chain.ts).
 *
 * JPEG: the pictures keep their real speed, and the frame rate asked for leaves some out or repeats some.
 *
 * The size is the clips', the picture is always upright: `format` tells.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CameraInfo, EncoderSpec } from "../../contract/host.ts";
import type { CameraSource, EncoderSink, RunningEncoder } from "../camera-source.ts";
import { CameraFault, faultReason } from "./camera-fault.ts";
import { type Clip, loadClip } from "./clip.ts";
import { ClipEncoder, failedEncoder, type Playlist } from "./clip-encoder.ts";
import { FrameChain } from "./frame-chain.ts";
import { PaddedChain } from "./padded-chain.ts";
import { systemTimers, type Timers } from "./timers.ts";

/** Past it a clip would play at more than twice its speed; nobody asks for it. */
export const TEST_CAMERA_MAX_FPS = 60;
/** A frame every ten seconds: below, viewers would take the camera for dead. */
export const TEST_CAMERA_MIN_FPS = 0.1;
const DEFAULT_BITRATE = 2_000_000;
const DEFAULT_QUALITY = 80;

/** `index.json` beside the clips, as far as it is read here. */
export type ClipIndex = {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly cameras: Readonly<
    Record<
      string,
      {
        /** Highest bit rate first. */
        readonly h264: readonly { readonly file: string; readonly bitrate: number }[];
        readonly jpeg: readonly { readonly file: string; readonly quality: number }[];
      }
    >
  >;
};

export type TestCameraOptions = {
  readonly camera: "back" | "front";
  /** H.264 frames are padded to exactly the bit rate asked for (padded-chain.ts). */
  readonly padded?: boolean;
  readonly timers?: Timers;
  /** Folder of the clips and their index; found beside this file or a bundle when absent. */
  readonly clipsFolder?: string;
};

export class TestCamera implements CameraSource {
  onInfoChanged?: (() => void) | undefined;
  readonly #camera: "back" | "front";
  readonly #padded: boolean;
  readonly #timers: Timers;
  readonly #clipsFolder: string | undefined;
  readonly #open = new Set<RunningEncoder>();

  constructor({ camera, padded = false, timers = systemTimers, clipsFolder = findClipsFolder() }: TestCameraOptions) {
    this.#camera = camera;
    this.#padded = padded;
    this.#timers = timers;
    this.#clipsFolder = clipsFolder;
  }

  info(): Omit<CameraInfo, "name"> {
    const common = { facing: this.#camera, codecs: ["h264", "jpeg"] as const };
    try {
      const { width, height } = this.#index();
      return { ...common, state: "ok", sizes: [{ width, height, maxFps: TEST_CAMERA_MAX_FPS }] };
    } catch (error) {
      return { ...common, state: "error", reason: faultReason(error), sizes: [] };
    }
  }

  open(spec: EncoderSpec, sink: EncoderSink, nowUs: () => number): RunningEncoder {
    const fps = Math.min(TEST_CAMERA_MAX_FPS, Math.max(TEST_CAMERA_MIN_FPS, spec.fps));
    let playlist: Playlist;
    try {
      playlist = spec.codec === "h264" ? this.#h264(fps, spec.bitrate) : this.#jpeg(fps, spec.quality);
    } catch (error) {
      return failedEncoder(sink, faultReason(error));
    }
    const encoder = new ClipEncoder({
      ...{ playlist, fps, sink, nowUs, timers: this.#timers },
      onClose: (closed) => this.#open.delete(closed),
    });
    this.#open.add(encoder);
    return encoder;
  }

  close(): void {
    for (const encoder of [...this.#open]) encoder.close();
  }

  #h264(fps: number, bitrate: number = DEFAULT_BITRATE): Playlist {
    const index = this.#index();
    const renditions = index.cameras[this.#camera]!.h264;
    if (this.#padded) return this.#paddedH264(renditions, fps, bitrate);
    const playedBitrate = (rendition: { bitrate: number }): number => (rendition.bitrate * fps) / index.fps;
    const choose = (wanted: number): Clip =>
      this.#load((renditions.find((rendition) => playedBitrate(rendition) <= wanted) ?? renditions.at(-1)!).file);
    const chain = new FrameChain(choose(bitrate));
    return {
      next: () => chain.next(),
      setBitrate: (bitsPerSecond) => chain.switchTo(choose(bitsPerSecond)),
      requestKeyFrame: () => chain.jumpToKey(),
    };
  }

  #paddedH264(renditions: readonly { readonly file: string }[], fps: number, bitrate: number): Playlist {
    const played = renditions.map(({ file }) => {
      const clip = this.#load(file);
      const bytes = clip.frames.reduce((sum, { data }) => sum + data.length, 0);
      return { clip, bitrate: (bytes * 8 * fps) / clip.frames.length };
    });
    return new PaddedChain(played, bitrate);
  }

  #jpeg(fps: number, quality: number = DEFAULT_QUALITY): Playlist {
    const index = this.#index();
    const sets = index.cameras[this.#camera]!.jpeg;
    const off = (set: { quality: number }, wanted: number): number => Math.abs(set.quality - wanted);
    const choose = (wanted: number): Clip =>
      this.#load(sets.reduce((best, set) => (off(set, wanted) < off(best, wanted) ? set : best)).file);
    let clip = choose(quality);
    return {
      // The little more keeps a whole number that division left just below from falling back to the picture before.
      next: (slot) => clip.frames[Math.floor((slot * index.fps) / fps + 1e-6) % clip.frames.length]!,
      setQuality(wanted) {
        clip = choose(wanted);
      },
      requestKeyFrame() {},
    };
  }

  #index(): ClipIndex {
    if (this.#clipsFolder === undefined) throw new CameraFault("the test clips are missing (bindings/node/clips)");
    return loadIndex(this.#clipsFolder);
  }

  #load(file: string): Clip {
    return loadShared(join(this.#clipsFolder!, file));
  }
}

/** Checked-in files don't change, and every encoder of every test camera plays the same ones: loaded once a process. */
const sharedClips = new Map<string, Clip>();
const sharedIndexes = new Map<string, ClipIndex>();

function loadShared(path: string): Clip {
  let clip = sharedClips.get(path);
  if (clip === undefined) {
    clip = loadClip(path);
    sharedClips.set(path, clip);
  }
  return clip;
}

function loadIndex(folder: string): ClipIndex {
  let index = sharedIndexes.get(folder);
  if (index === undefined) {
    try {
      index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as ClipIndex;
    } catch {
      throw new CameraFault(`the test clips are missing (${folder})`);
    }
    sharedIndexes.set(folder, index);
  }
  return index;
}

/** The clips beside the sources, or wherever a bundle of them runs from within the project. */
function findClipsFolder(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    for (const clips of [join(folder, "clips"), join(folder, "bindings/node/clips")]) {
      if (existsSync(join(clips, "index.json"))) return clips;
    }
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}
