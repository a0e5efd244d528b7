/**
 * `clip:PATH[@FPS][?exact]`: a file of encoded frames as it is, in real time, in a loop, without ffmpeg.
 *
 * The file is an Annex-B H.264 stream or concatenated JPEG images; the content says which. It always plays at FPS
 * (default 25), whatever rate the profile names. A request for a key frame jumps to the next IDR picture; with `?exact`
 * nothing ever jumps, so that what comes out is the file byte by byte, again and again. What stands before the first IDR
 * picture with its parameter sets is left out. A file with a single IDR picture repeats its `idr_pic_id` on a jump.
 */
import { statSync } from "node:fs";
import type { CameraInfo, EncoderSpec } from "../../contract/host.ts";
import type { CameraSource, EncoderSink, RunningEncoder } from "../camera-source.ts";
import { CameraFault, faultReason } from "./camera-fault.ts";
import { type Clip, type ClipFrame, loadClip } from "./clip.ts";
import { ClipEncoder, failedEncoder, type Playlist } from "./clip-encoder.ts";
import { FrameChain } from "./frame-chain.ts";
import { systemTimers, type Timers } from "./timers.ts";

export const CLIP_CAMERA_DEFAULT_FPS = 25;
export const CLIP_CAMERA_MAX_FPS = 240;

const CODEC_NAMES = { h264: "H.264", jpeg: "JPEG" } as const;

export type ClipCameraOptions = {
  readonly path: string;
  /** Above 0, at most {@link CLIP_CAMERA_MAX_FPS}. */
  readonly fps?: number;
  readonly exact?: boolean;
  readonly timers?: Timers;
};

export class ClipCamera implements CameraSource {
  onInfoChanged?: (() => void) | undefined;
  readonly #path: string;
  readonly #fps: number;
  readonly #exact: boolean;
  readonly #timers: Timers;
  readonly #open = new Set<RunningEncoder>();
  #clip: Clip | undefined;
  /** Why loading failed last time, and what the file was then: an unchanged bad file isn't read again and again. */
  #failure: { readonly reason: string; readonly version: string } | undefined;

  constructor({ path, fps = CLIP_CAMERA_DEFAULT_FPS, exact = false, timers = systemTimers }: ClipCameraOptions) {
    this.#path = path;
    this.#fps = fps;
    this.#exact = exact;
    this.#timers = timers;
  }

  info(): Omit<CameraInfo, "name"> {
    let clip: Clip;
    try {
      clip = this.#load();
    } catch (error) {
      return { state: "error", reason: faultReason(error), facing: "external", codecs: [], sizes: [] };
    }
    const { width, height } = clip.frames[0]!.format;
    return {
      state: "ok",
      facing: "external",
      codecs: [clip.codec],
      sizes: [{ width, height, maxFps: this.#fps }],
    };
  }

  open(spec: EncoderSpec, sink: EncoderSink, nowUs: () => number): RunningEncoder {
    const hadFailed = this.#failure !== undefined;
    let clip: Clip;
    try {
      clip = this.#load();
    } catch (error) {
      return failedEncoder(sink, faultReason(error));
    }
    if (hadFailed) this.onInfoChanged?.();
    if (clip.codec !== spec.codec) {
      const [has, wanted] = [CODEC_NAMES[clip.codec], CODEC_NAMES[spec.codec]];
      return failedEncoder(sink, `clip ${this.#path}: holds ${has}, not ${wanted}`);
    }
    const encoder = new ClipEncoder({
      ...{ playlist: playlist(clip, this.#exact), fps: this.#fps, sink, nowUs, timers: this.#timers },
      onClose: (closed) => this.#open.delete(closed),
    });
    this.#open.add(encoder);
    return encoder;
  }

  close(): void {
    for (const encoder of [...this.#open]) encoder.close();
  }

  #load(): Clip {
    if (this.#clip !== undefined) return this.#clip;
    const version = fileVersion(this.#path);
    if (this.#failure?.version === version) throw new CameraFault(this.#failure.reason);
    try {
      this.#clip = loadClip(this.#path);
    } catch (error) {
      this.#failure = { reason: faultReason(error), version };
      throw error;
    }
    this.#failure = undefined;
    return this.#clip;
  }
}

function fileVersion(path: string): string {
  try {
    const { size, mtimeMs } = statSync(path);
    return `${size} ${mtimeMs}`;
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  }
}

/** Every frame in turn: a late loop skips times, never frames. */
function playlist(clip: Clip, exact: boolean): Playlist {
  const chain = new FrameChain(clip);
  const next = (): ClipFrame => chain.next();
  return exact ? { next } : { next, requestKeyFrame: () => chain.jumpToKey() };
}
