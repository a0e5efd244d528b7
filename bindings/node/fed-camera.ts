/**
 * A camera whose frames a program hands over itself: for tests, the conformance cases, and whoever embeds the host. Host side.
 */
import { type CameraInfo, Code, type EncoderSpec } from "../contract/host.ts";
import type { CameraSource, EncodedFrame, EncoderSink, RunningEncoder } from "./camera-source.ts";
import { nowUs } from "./clock.ts";
import { annexBUnits, jpegUnits } from "./frame-units.ts";

/** One encoder that somebody has opened, and what it has been asked for. */
export type FedEncoder = {
  readonly spec: EncoderSpec;
  readonly sink: EncoderSink;
  bitrate: number | undefined;
  quality: number | undefined;
  keyRequests: number;
};

export class FedCamera implements CameraSource {
  onInfoChanged: (() => void) | undefined;
  #info: Omit<CameraInfo, "name"> = { state: "ok", codecs: ["h264", "jpeg"], sizes: [] };
  /** The open encoders, in the order of their opening. */
  readonly encoders = new Set<FedEncoder>();
  readonly #formatOf = new Map<FedEncoder, string>();

  info(): Omit<CameraInfo, "name"> {
    return this.#info;
  }

  setInfo(info: Omit<CameraInfo, "name">): void {
    this.#info = info;
    this.onInfoChanged?.();
  }

  open(spec: EncoderSpec, sink: EncoderSink): RunningEncoder {
    const encoder: FedEncoder = { spec, sink, bitrate: spec.bitrate, quality: spec.quality, keyRequests: 0 };
    this.encoders.add(encoder);
    sink.state("running");
    return {
      close: () => {
        this.encoders.delete(encoder);
        this.#formatOf.delete(encoder);
      },
      setBitrate: (bitsPerSecond) => {
        encoder.bitrate = bitsPerSecond;
        return Code.OK;
      },
      setQuality: (quality) => {
        encoder.quality = quality;
        return Code.OK;
      },
      requestKeyFrame: () => {
        encoder.keyRequests += 1;
        return Code.OK;
      },
    };
  }

  /** Feeds an Annex-B access unit to every H.264 encoder; its SPS and PPS make a `format` when they are new. */
  feedAnnexB(accessUnit: Buffer, timeUs: number = nowUs()): void {
    const { units, key, parameterSets } = annexBUnits(accessUnit);
    this.#each("h264", (encoder) => {
      if (parameterSets.length > 0) this.#format(encoder, encoder.spec.width, encoder.spec.height, parameterSets);
      if (key || this.#formatOf.has(encoder)) encoder.sink.frame({ data: accessUnit, timeUs, key, units });
    });
  }

  /** Feeds a JPEG image to every JPEG encoder. Throws when it is none. */
  feedJpeg(image: Buffer, timeUs: number = nowUs()): void {
    const found = jpegUnits(image);
    if (found === undefined) throw new Error("these bytes are no JPEG image");
    this.#each("jpeg", (encoder) => {
      this.#format(encoder, found.width, found.height, []);
      encoder.sink.frame({ data: image, timeUs, key: true, units: found.units });
    });
  }

  /** Feeds a frame as it is, whatever its bytes. */
  feedFrame(codec: "h264" | "jpeg", frame: EncodedFrame): void {
    this.#each(codec, (encoder) => encoder.sink.frame(frame));
  }

  /** Sends a state to every open encoder. */
  feedState(state: "starting" | "running" | "failed" | "ended", reason?: string): void {
    for (const encoder of [...this.encoders]) encoder.sink.state(state, reason);
  }

  close(): void {
    for (const encoder of [...this.encoders]) encoder.sink.state("ended", "the camera was closed");
    this.encoders.clear();
    this.#formatOf.clear();
  }

  #each(codec: "h264" | "jpeg", visit: (encoder: FedEncoder) => void): void {
    for (const encoder of [...this.encoders]) if (encoder.spec.codec === codec) visit(encoder);
  }

  #format(encoder: FedEncoder, width: number, height: number, parameterSets: readonly string[]): void {
    const format = { codec: encoder.spec.codec, width, height, parameterSets };
    const text = JSON.stringify(format);
    if (this.#formatOf.get(encoder) === text) return;
    this.#formatOf.set(encoder, text);
    encoder.sink.format(format);
  }
}
