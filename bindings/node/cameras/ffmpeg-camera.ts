/**
 * `file:PATH`, `v4l2:/dev/videoN` and `lavfi:GRAPH`: a live encoder in a process of the system's ffmpeg, one process an
 * open encoder.
 *
 * Files loop. Pictures are fitted into the size asked for, turned and mirrored by filters (`auto` turns nothing). ffmpeg
 * can't be told anything once it runs: a request for a key frame is OK because one comes within a second anyway
 * (`FFMPEG_KEY_INTERVAL_MAX_MS`), `setBitrate` and `setQuality` are UNSUPPORTED. Frame times are those of an
 * {@link ArrivalClock}: a frame's encoding time later than the capture, which a pipe doesn't tell.
 *
 * A process ends with its encoder, by SIGKILL: it has nothing to save. Should this process die first, ffmpeg ends at the
 * next frame that it can't write.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { type CameraInfo, Code, type EncoderSpec } from "../../contract/host.ts";
import type { CameraSource, EncodedFormat, EncodedFrame, EncoderSink, RunningEncoder } from "../camera-source.ts";
import { annexBUnits, jpegUnits } from "../frame-units.ts";
import { hostText } from "../host-text.ts";
import { ArrivalClock } from "./arrival-clock.ts";
import { CameraFault, faultReason } from "./camera-fault.ts";
import { h264Format } from "./clip.ts";
import { failedEncoder } from "./clip-encoder.ts";
import { type FfmpegInput, ffmpegArguments, frameIntervalUs } from "./ffmpeg-arguments.ts";
import { FlvReader } from "./flv-reader.ts";
import { JpegSplitter } from "./jpeg-splitter.ts";

/** How much of ffmpeg's error output is kept: enough for its last line. */
const ERROR_TAIL_CHARS = 2000;
const START_CODE = Buffer.of(0, 0, 0, 1);

export type FfmpegCameraOptions = {
  readonly input: FfmpegInput;
  /** The program; `ffmpeg` from the path when absent. */
  readonly program?: string;
};

export class FfmpegCamera implements CameraSource {
  onInfoChanged?: (() => void) | undefined;
  readonly #input: FfmpegInput;
  readonly #program: string;
  readonly #open = new Set<FfmpegEncoder>();
  /** Settles when the device's last process has let go of it. */
  #released: Promise<void> = Promise.resolve();
  /** The last failure; cleared by the next frame of any encoder. */
  #failure: string | undefined;

  constructor({ input, program = "ffmpeg" }: FfmpegCameraOptions) {
    this.#input = input;
    this.#program = program;
  }

  info(): Omit<CameraInfo, "name"> {
    const reason = this.#missing() ?? this.#failure;
    const common = { facing: "external", codecs: ["h264", "jpeg"], sizes: [] } as const;
    return reason === undefined ? { ...common, state: "ok" } : { ...common, state: "error", reason };
  }

  open(spec: EncoderSpec, sink: EncoderSink, nowUs: () => number): RunningEncoder {
    const missing = this.#missing();
    if (missing !== undefined) return failedEncoder(sink, missing);
    if (this.#input.kind === "v4l2" && this.#open.size > 0) {
      return failedEncoder(sink, `${this.#input.target} is in use by another encoder; a device opens once`);
    }
    const encoder = new FfmpegEncoder({
      ...{ program: this.#program, input: this.#input, spec, sink, nowUs },
      startsAfter: this.#input.kind === "v4l2" ? this.#released : Promise.resolve(),
      onOutcome: (failure) => this.#setFailure(failure),
      onEnd: (ended) => this.#open.delete(ended),
    });
    this.#open.add(encoder);
    this.#released = encoder.gone;
    return encoder;
  }

  close(): void {
    for (const encoder of [...this.#open]) encoder.close();
  }

  #missing(): string | undefined {
    const { kind, target } = this.#input;
    if (kind === "lavfi" || existsSync(target)) return undefined;
    return kind === "file" ? `${target}: no such file` : `${target}: no such device`;
  }

  #setFailure(failure: string | undefined): void {
    if (failure === this.#failure) return;
    this.#failure = failure;
    this.onInfoChanged?.();
  }
}

type FfmpegEncoderOptions = {
  readonly program: string;
  readonly input: FfmpegInput;
  readonly spec: EncoderSpec;
  readonly sink: EncoderSink;
  readonly nowUs: () => number;
  /** A device opens once: the process before must be gone, not only killed. */
  readonly startsAfter: Promise<void>;
  /** Undefined with the first frame, the reason when the encoder failed. */
  readonly onOutcome: (failure: string | undefined) => void;
  /** The process is gone or going; once. */
  readonly onEnd: (encoder: FfmpegEncoder) => void;
};

class FfmpegEncoder implements RunningEncoder {
  readonly #options: FfmpegEncoderOptions;
  /** Settles when the process is gone, or will never be. */
  readonly gone: Promise<void>;
  #process: ChildProcess | undefined;
  #settleGone: () => void = () => {};
  readonly #clock: ArrivalClock;
  readonly #flv = new FlvReader();
  readonly #jpeg = new JpegSplitter();
  #errors = "";
  #format: EncodedFormat | undefined;
  /** The parameter sets as Annex B, for key frames without their own. */
  #parameterSets: Buffer = Buffer.alloc(0);
  #running = false;
  #over = false;

  constructor(options: FfmpegEncoderOptions) {
    this.#options = options;
    this.#clock = new ArrivalClock(frameIntervalUs(options.spec));
    options.sink.state("starting", "ffmpeg is starting");
    this.gone = new Promise((resolve) => {
      this.#settleGone = resolve;
    });
    options.startsAfter.then(() => this.#start());
  }

  #start(): void {
    if (this.#over) {
      this.#settleGone();
      return;
    }
    const { program, input, spec } = this.#options;
    const child = spawn(program, ffmpegArguments(input, spec), { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    child.stdout.on("data", (chunk: Buffer) => this.#received(chunk));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-ERROR_TAIL_CHARS);
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      this.#fail(error.code === "ENOENT" ? `${program} isn't installed` : `ffmpeg: ${error.message}`);
      this.#settleGone();
    });
    child.on("exit", () => this.#settleGone());
    // After `exit`, when both pipes have been read to their ends.
    child.on("close", (code, signal) => {
      if (code === 0) this.#finish("ended", "ffmpeg's input has ended");
      else this.#fail(lastLine(this.#errors) ?? `ffmpeg ended with ${signal ?? `code ${code}`}`);
    });
  }

  #received(chunk: Buffer): void {
    if (this.#over) return;
    const nowUs = this.#options.nowUs();
    try {
      if (this.#options.spec.codec === "h264") this.#receivedFlv(chunk, nowUs);
      else this.#receivedJpeg(chunk, nowUs);
    } catch (error) {
      this.#fail(faultReason(error));
    }
  }

  #receivedFlv(chunk: Buffer, nowUs: number): void {
    for (const video of this.#flv.feed(chunk, nowUs)) {
      if (video.kind === "configuration") {
        const sets = [...video.sps, ...video.pps];
        if (video.sps.length === 0 || video.pps.length === 0) continue;
        this.#parameterSets = Buffer.concat(sets.flatMap((set) => [START_CODE, set]));
        this.#setFormat(h264Format(sets.map(hostText)));
        continue;
      }
      let { data } = video;
      let { units, key, parameterSets } = annexBUnits(data);
      if (key && parameterSets.length === 0) {
        data = Buffer.concat([this.#parameterSets, data]);
        units = annexBUnits(data).units;
      }
      this.#deliver({ data, key, units }, video.arrivedUs);
    }
  }

  #receivedJpeg(chunk: Buffer, nowUs: number): void {
    for (const { data, arrivedUs } of this.#jpeg.feed(chunk, nowUs)) {
      const found = jpegUnits(data);
      if (found === undefined) throw new CameraFault("ffmpeg wrote a JPEG image without a frame header or a scan");
      const { units, width, height } = found;
      if (this.#format?.width !== width || this.#format.height !== height) {
        this.#setFormat({ codec: "jpeg", width, height, parameterSets: [] });
      }
      this.#deliver({ data, key: true, units }, arrivedUs);
    }
  }

  #setFormat(format: EncodedFormat): void {
    this.#format = format;
    this.#setRunning();
    if (!this.#over) this.#options.sink.format(format);
  }

  #setRunning(): void {
    if (this.#running || this.#over) return;
    this.#running = true;
    this.#options.sink.state("running");
    this.#options.onOutcome(undefined);
  }

  #deliver(frame: Omit<EncodedFrame, "timeUs">, arrivedUs: number): void {
    if (this.#over || this.#format === undefined) return;
    this.#options.sink.frame({ ...frame, timeUs: this.#clock.timeOf(arrivedUs) });
  }

  setBitrate(): number {
    return Code.UNSUPPORTED;
  }

  setQuality(): number {
    return Code.UNSUPPORTED;
  }

  requestKeyFrame(): number {
    return Code.OK;
  }

  close(): void {
    this.#end();
  }

  #fail(reason: string): void {
    if (this.#over) return;
    this.#options.onOutcome(reason);
    this.#finish("failed", reason);
  }

  #finish(state: "failed" | "ended", reason: string): void {
    if (this.#over) return;
    this.#end();
    this.#options.sink.state(state, reason);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#process?.kill("SIGKILL");
    this.#options.onEnd(this);
  }
}

/** ffmpeg's last line, without the addresses of its objects. */
function lastLine(text: string): string | undefined {
  const line = text
    .trimEnd()
    .split(/[\r\n]+/)
    .at(-1)
    ?.trim();
  return line === undefined || line === "" ? undefined : line.replaceAll(/ @ 0x[0-9a-f]+/g, "");
}
