/**
 * An "encoder" that plays frames made beforehand: a {@link Pacer} says when, a {@link Playlist} says which.
 */
import { Code } from "../../contract/host.ts";
import type { EncodedFormat, EncoderSink, RunningEncoder } from "../camera-source.ts";
import type { ClipFrame } from "./clip.ts";
import { Pacer } from "./pacer.ts";
import type { Timers } from "./timers.ts";

/** Which frame comes next, and what can be asked of it; an absent method is UNSUPPORTED. */
export type Playlist = {
  /** Called once a frame; slot numbers rise and may leave gaps when the loop was late. */
  next(slot: number): ClipFrame;
  setBitrate?(bitsPerSecond: number): void;
  setQuality?(quality: number): void;
  requestKeyFrame?(): void;
};

export type ClipEncoderOptions = {
  readonly playlist: Playlist;
  readonly fps: number;
  readonly sink: EncoderSink;
  readonly nowUs: () => number;
  readonly timers: Timers;
  /** Called once when the encoder closes. */
  readonly onClose: (encoder: ClipEncoder) => void;
};

export class ClipEncoder implements RunningEncoder {
  readonly #playlist: Playlist;
  readonly #sink: EncoderSink;
  readonly #onClose: (encoder: ClipEncoder) => void;
  readonly #pacer: Pacer;
  #format: EncodedFormat | undefined;
  #closed = false;

  constructor({ playlist, fps, sink, nowUs, timers, onClose }: ClipEncoderOptions) {
    this.#playlist = playlist;
    this.#sink = sink;
    this.#onClose = onClose;
    this.#pacer = new Pacer({ fps, nowUs, timers, onSlot: (slot, timeUs) => this.#play(slot, timeUs) });
    sink.state("starting", "the clip begins");
  }

  #play(slot: number, timeUs: number): void {
    const { data, key, units, format } = this.#playlist.next(slot);
    if (this.#format === undefined) this.#sink.state("running");
    if (this.#format !== format && !this.#closed) {
      this.#format = format;
      this.#sink.format(format);
    }
    if (!this.#closed) this.#sink.frame({ data, timeUs, key, units });
  }

  setBitrate(bitsPerSecond: number): number {
    if (this.#playlist.setBitrate === undefined) return Code.UNSUPPORTED;
    if (!(bitsPerSecond > 0)) return Code.INVALID;
    this.#playlist.setBitrate(bitsPerSecond);
    return Code.OK;
  }

  setQuality(quality: number): number {
    if (this.#playlist.setQuality === undefined) return Code.UNSUPPORTED;
    if (!(quality >= 1 && quality <= 100)) return Code.INVALID;
    this.#playlist.setQuality(quality);
    return Code.OK;
  }

  requestKeyFrame(): number {
    if (this.#playlist.requestKeyFrame === undefined) return Code.UNSUPPORTED;
    this.#playlist.requestKeyFrame();
    return Code.OK;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pacer.close();
    this.#onClose(this);
  }
}

/** What `open` gives back when the sink has been told that it failed. */
export function failedEncoder(sink: EncoderSink, reason: string): RunningEncoder {
  sink.state("failed", reason);
  return {
    close: () => {},
    setBitrate: () => Code.UNSUPPORTED,
    setQuality: () => Code.UNSUPPORTED,
    requestKeyFrame: () => Code.UNSUPPORTED,
  };
}
