/**
 * Encoders, their waiting frames, and blobs: the glue between camera sources and the core's events. Host side.
 */
import {
  BLOBS_MAX_BYTES,
  Code,
  type EncoderSpec,
  FRAMES_WAITING_MAX,
  FRAMES_WAITING_MAX_US,
} from "../contract/host.ts";
import type { CameraSource, CaptureSpec, EncodedFrame, EncoderSink, RunningEncoder } from "./camera-source.ts";
import { nowUs } from "./clock.ts";
import type { HostParts } from "./connections.ts";
import type { Disposable } from "./handles.ts";

/** How long `capture` waits for a JPEG encoder's first picture. */
const CAPTURE_MS = 5000;

/** Frames that the core may plan: those which the present turn has taken. */
export class Frames {
  #last = 0;
  readonly #inTurn = new Map<number, EncodedFrame>();

  take(frame: EncodedFrame): number {
    this.#last += 1;
    this.#inTurn.set(this.#last, frame);
    return this.#last;
  }

  get(number: number): EncodedFrame | undefined {
    return this.#inTurn.get(number);
  }

  /** The turn that took them has ended. */
  release(): void {
    this.#inTurn.clear();
  }
}

/** Bytes that the core keeps past a turn. */
export class Blobs {
  #bytes = 0;
  readonly #parts: HostParts;

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /** @returns a handle, or FULL. */
  keep(data: Buffer): number {
    if (this.#bytes + data.length > BLOBS_MAX_BYTES) return Code.FULL;
    this.#bytes += data.length;
    const handle = this.#parts.handles.next();
    const released = () => {
      this.#bytes -= data.length;
      this.#parts.handles.remove(handle);
    };
    this.#parts.handles.add(handle, new HeldBlob(data, released));
    return handle;
  }
}

export class HeldBlob implements Disposable {
  readonly data: Buffer;
  #released: (() => void) | undefined;

  constructor(data: Buffer, released: () => void) {
    this.data = data;
    this.#released = released;
  }

  /** Writes in flight share the bytes and keep them. */
  dispose(): void {
    this.#released?.();
    this.#released = undefined;
  }
}

type Waiting = { readonly frame: EncodedFrame; readonly sinceUs: number; readonly dropped: number };

export class Encoder implements Disposable, EncoderSink {
  readonly handle: number;
  readonly codec: "h264" | "jpeg";
  readonly #parts: HostParts;
  readonly #frames: Frames;
  readonly #running: RunningEncoder;
  #waiting: Waiting[] = [];
  #dropping = false;
  #dropped = 0;
  #state: "open" | "final" | "closed" = "open";

  constructor(parts: HostParts, frames: Frames, camera: CameraSource, spec: EncoderSpec) {
    this.#parts = parts;
    this.#frames = frames;
    this.codec = spec.codec;
    this.handle = parts.handles.next();
    parts.handles.add(this.handle, this);
    this.#running = camera.open(spec, this, nowUs);
  }

  state(state: "starting" | "running" | "failed" | "ended", reason?: string): void {
    if (this.#state !== "open") return;
    if (state === "failed" || state === "ended") this.#state = "final";
    this.#parts.events.push(this.handle, {
      type: "encoder",
      handle: this.handle,
      state,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  format(format: Parameters<EncoderSink["format"]>[0]): void {
    if (this.#state !== "open") return;
    this.#parts.events.push(this.handle, { type: "format", handle: this.handle, ...format });
  }

  frame(frame: EncodedFrame): void {
    if (this.#state !== "open") return;
    const now = nowUs();
    const oldest = this.#waiting[0];
    const full =
      this.#waiting.length >= FRAMES_WAITING_MAX ||
      (oldest !== undefined && now - oldest.sinceUs > FRAMES_WAITING_MAX_US);
    if (full || (this.#dropping && !frame.key)) {
      this.#dropping = true;
      this.#dropped += 1;
      return;
    }
    this.#waiting.push({ frame, sinceUs: now, dropped: this.#dropped });
    this.#dropping = false;
    this.#dropped = 0;
    this.#parts.events.pushLate(this.handle, () => {
      const next = this.#waiting.shift()!;
      const { data, timeUs, key, units } = next.frame;
      return {
        type: "frame",
        handle: this.handle,
        frame: this.#frames.take(next.frame),
        timeUs,
        key,
        length: data.length,
        units,
        ...(next.dropped > 0 ? { dropped: next.dropped } : {}),
      };
    });
  }

  setBitrate(bitsPerSecond: number): number {
    if (this.codec === "jpeg") return Code.UNSUPPORTED;
    return bitsPerSecond > 0 ? this.#running.setBitrate(bitsPerSecond) : Code.INVALID;
  }

  setQuality(quality: number): number {
    if (this.codec === "h264") return Code.UNSUPPORTED;
    return quality >= 1 && quality <= 100 ? this.#running.setQuality(quality) : Code.INVALID;
  }

  requestKeyFrame(): number {
    return this.codec === "jpeg" ? Code.OK : this.#running.requestKeyFrame();
  }

  dispose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#waiting = [];
    this.#parts.handles.remove(this.handle);
    this.#parts.events.drop(this.handle);
    this.#running.close();
  }
}

/** One `capture`: answered once, unless the host is disposed before. */
export class Capture implements Disposable {
  readonly handle: number;
  readonly #parts: HostParts;
  readonly #blobs: Blobs;
  #stop: (() => void) | undefined;
  #done = false;

  constructor(parts: HostParts, blobs: Blobs, name: string, camera: CameraSource, spec: CaptureSpec) {
    this.#parts = parts;
    this.#blobs = blobs;
    this.handle = parts.handles.next();
    parts.handles.add(this.handle, this);
    if (camera.capture === undefined) {
      this.#fromEncoder(name, camera, spec);
    } else {
      camera.capture(spec).then(
        (image) => this.#captured(image),
        (error: Error) => this.#failed(error.message),
      );
    }
  }

  dispose(): void {
    this.#done = true;
    this.#parts.handles.remove(this.handle);
    this.#stop?.();
    this.#stop = undefined;
  }

  #fromEncoder(name: string, camera: CameraSource, spec: CaptureSpec): void {
    const timer = setTimeout(() => this.#failed("no picture in time"), CAPTURE_MS);
    let size = {};
    const sink: EncoderSink = {
      state: (state, reason) => {
        if (state === "failed" || state === "ended") this.#failed(reason ?? state);
      },
      format: ({ width, height }) => {
        size = { width, height };
      },
      frame: (frame) => this.#captured(frame.data, { timeUs: frame.timeUs, ...size }),
    };
    const running = camera.open({ camera: name, codec: "jpeg", fps: 1, mirror: false, ...spec }, sink, nowUs);
    this.#stop = () => {
      clearTimeout(timer);
      running.close();
    };
    // The source may have answered before open() returned.
    if (this.#done) this.dispose();
  }

  /** @param facts what is known of it, as the event has it. */
  #captured(image: Buffer, facts: { timeUs?: number; width?: number; height?: number } = {}): void {
    if (this.#done) return;
    const { handle } = this;
    const blob = this.#blobs.keep(image);
    this.dispose();
    if (blob < 0) {
      this.#parts.events.push(handle, { type: "captureFailed", handle, reason: "no room for another picture" });
    } else {
      this.#parts.events.push(handle, { type: "captured", handle, blob, length: image.length, ...facts });
    }
  }

  #failed(reason: string): void {
    if (this.#done) return;
    this.dispose();
    this.#parts.events.push(this.handle, { type: "captureFailed", handle: this.handle, reason });
  }
}
