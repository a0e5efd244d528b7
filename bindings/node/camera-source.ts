/**
 * What a camera is to the Node host: something that opens encoders, which hand over encoded frames. Host side.
 *
 * A source knows nothing of handles, queues or the core. The host (encoders.ts) owns both ends: it bounds the frames
 * that wait, numbers them and turns them into events. Everything here runs on Node's one thread; a source calls its
 * sink from any callback, also before `open` returns.
 */
import type { CameraInfo, EncoderSpec } from "../contract/host.ts";

/** Where a unit lies within a frame, and its first bytes as host text (FrameUnit in the contract's events.ts). */
export type EncodedUnit = { readonly offset: number; readonly length: number; readonly head: string };

/**
 * One encoded frame.
 *
 * H.264: an Annex-B access unit with start codes, `units` one a NAL unit. JPEG: the whole image, `units` the headers
 * and the scan. `annexBUnits` and `jpegUnits` in frame-units.ts find them.
 */
export type EncodedFrame = {
  /** The source gives the bytes away and does not touch them again. */
  readonly data: Buffer;
  /** Capture time in microseconds of the host's clock. Rises within an encoder. */
  readonly timeUs: number;
  /** H.264: the access unit holds an IDR slice. JPEG: true. */
  readonly key: boolean;
  readonly units: readonly EncodedUnit[];
};

/** What an encoder tells the host. Nothing after `failed`, `ended` or the host's own `close()` counts. */
export type EncoderSink = {
  /** `reason` is one line for a person: on every state but `running`. `failed` and `ended` are final. */
  state(state: "starting" | "running" | "failed" | "ended", reason?: string): void;
  /** Before the first frame, and again when size or parameter sets change. */
  format(format: EncodedFormat): void;
  /** The first frame is a key frame. */
  frame(frame: EncodedFrame): void;
};

export type EncodedFormat = {
  readonly codec: "h264" | "jpeg";
  readonly width: number;
  readonly height: number;
  /** H.264: SPS and PPS NAL units without start codes, as host text. JPEG: none. */
  readonly parameterSets: readonly string[];
};

/** A still picture of {@link CameraSource.capture}, as JSON of the contract's `capture` says. */
export type CaptureSpec = {
  readonly width: number;
  readonly height: number;
  /** 1 … 100. */
  readonly quality: number;
  readonly rotation: "auto" | 0 | 90 | 180 | 270;
};

export interface CameraSource {
  /** State and abilities now. The name is the host's business: it is the one the camera was registered under. */
  info(): Omit<CameraInfo, "name">;
  /** Set by the host; the source calls it when {@link info} changed. */
  onInfoChanged?: (() => void) | undefined;
  /**
   * Opens an encoder of `spec.codec`; several may be open at a time. Failures go to the sink's state, none is thrown.
   * @param nowUs the host's monotonic clock in microseconds, for frame times.
   */
  open(spec: EncoderSpec, sink: EncoderSink, nowUs: () => number): RunningEncoder;
  /** One JPEG image; rejects with an Error whose message is for a person. Absent: the host opens a JPEG encoder for it. */
  capture?(spec: CaptureSpec): Promise<Buffer>;
  /** Closes every encoder and whatever else the source holds (processes, timers). May be called twice. */
  close(): void;
}

/** An open encoder. The numbers are `Code` values of the contract: OK, UNSUPPORTED, INVALID. */
export interface RunningEncoder {
  /** Nothing reaches the sink afterwards. May be called twice. */
  close(): void;
  /** H.264: bits per second, from the next frames on. */
  setBitrate(bitsPerSecond: number): number;
  /** JPEG: 1 … 100, from the next frame on. */
  setQuality(quality: number): number;
  /** A key frame as soon as the encoder can. */
  requestKeyFrame(): number;
}
