/**
 * One encoder of one camera, on demand. Row 3.
 *
 * It is opened with its first user and closed a while after its last (the linger), so that a player which reconnects
 * finds it warm. However many users there are, there is one: what it makes goes to every consumer once.
 *
 *     idle ──acquire──▶ starting ──format, frame──▶ running ──last release, linger──▶ idle
 *                          │                          │
 *                          └────────▶ failed ◀────────┘   (with users: reopened after a growing pause)
 */
import type { FrameEvent, HostEvent } from "../../bindings/contract/events.ts";
import { Code, type EncoderSpec } from "../../bindings/contract/host.ts";
import { KeyFrameLimiter } from "../stream/key-frame-limiter.ts";
import { RateMeter } from "../stream/rate-meter.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type BitsPerSecond, MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";
import { type Cameras, describeState } from "./cameras.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";
import { SilenceWatch } from "./silence-watch.ts";

/** First pause before a failed encoder is opened again; it doubles up to the greatest. */
export const REOPEN_FIRST_US: Micros = seconds(1);
export const REOPEN_MAX_US: Micros = seconds(30);
/** An encoder that gave pictures for this long has recovered: the next pause is the first again. */
export const REOPEN_FORGIVEN_US: Micros = seconds(30);

export type EncoderFormat = Omit<Extract<HostEvent, { type: "format" }>, "type" | "handle">;

/** What is aimed at for the sake of viewers' networks, at or below the spec's own; absent: the spec's. */
export type Aim = {
  readonly bitrate?: BitsPerSecond;
  /** JPEG, 1 … 100. */
  readonly quality?: number;
  /** JPEG: frames a second that are let through. */
  readonly fps?: number;
};

/** Weight of a frame in the mean age of frames. */
const FRAME_AGE_WEIGHT = 1 / 16;
/** What a frame's slot may be early by: cameras are not that exact. */
const SLOT_EARLY_SHARE = 0.1;

export type EncoderState = "idle" | "starting" | "running" | "failed";

/** What wants an encoder's output. */
export interface FrameConsumer {
  onFormat?(format: EncoderFormat): void;
  /** In the turn of the frame's event, so that it can be planned and kept. */
  onFrame(frame: FrameEvent): void;
  /** The encoder has failed; `reason` is one line for a person. */
  onFailed?(reason: string): void;
}

export class Encoder implements HandleOwner {
  /** For logs and the status: `h264 /live/back`, or `jpeg back 1280x720`. */
  readonly label: string;
  #spec: EncoderSpec;
  readonly #runtime: Runtime;
  readonly #cameras: Cameras;
  readonly #lingerUs: Micros;
  readonly #consumers: FrameConsumer[] = [];
  readonly #limiter = new KeyFrameLimiter();
  readonly #meter = new RateMeter();
  readonly #waiters = new Set<FormatWaiter>();
  #handle = 0;
  #users = 0;
  #keptOpen = false;
  #state: EncoderState = "idle";
  #reason = "";
  #format: EncoderFormat | undefined;
  #closeTimer: Timer | undefined;
  #reopenTimer: Timer | undefined;
  #keyTimer: Timer | undefined;
  #reopenPauseUs = REOPEN_FIRST_US;
  /** When the open handle gave its first picture and its last; undefined before. */
  #runningSinceUs: Micros | undefined;
  #lastPictureUs: Micros | undefined;
  readonly #silence = new SilenceWatch();
  /** Silences in a row, no picture between. */
  #silentTimes = 0;
  #opened = 0;
  #failed = 0;
  #frames = 0;
  #bytes = 0;
  #hostDropped = 0;
  #aim: Aim = {};
  #frameAgeUs: Micros = 0;
  /** JPEG at less than its own frame rate: the earliest time of the next picture that is let through. */
  #nextPictureUs: Micros = 0;
  #leftOut = 0;

  constructor(runtime: Runtime, cameras: Cameras, label: string, spec: EncoderSpec, lingerUs: Micros) {
    this.#runtime = runtime;
    this.#cameras = cameras;
    this.label = label;
    this.#spec = spec;
    this.#lingerUs = lingerUs;
  }

  addConsumer(consumer: FrameConsumer): void {
    this.#consumers.push(consumer);
  }

  removeConsumer(consumer: FrameConsumer): void {
    const at = this.#consumers.indexOf(consumer);
    if (at >= 0) this.#consumers.splice(at, 1);
  }

  /** As it runs or would run: what commands have changed included. */
  get spec(): EncoderSpec {
    return this.#spec;
  }

  get state(): EncoderState {
    return this.#state;
  }

  /** One line; empty while it runs or idles. */
  get reason(): string {
    return this.#reason;
  }

  get format(): EncoderFormat | undefined {
    return this.#format;
  }

  get users(): number {
    return this.#users;
  }

  /** What is aimed at now, where that differs from the spec. */
  get aim(): Aim {
    return this.#aim;
  }

  /** From a frame's capture to the turn that has it, as a rule. */
  get frameAgeUs(): Micros {
    return this.#frameAgeUs;
  }

  /** Figures for the status. Counters run since the server's start. */
  figures(nowUs: Micros): {
    readonly fps: number;
    readonly bitrate: number;
    readonly frames: number;
    readonly bytes: number;
    readonly hostDropped: number;
    readonly opened: number;
    readonly failed: number;
    readonly leftOut: number;
  } {
    return {
      fps: this.#meter.framesPerSecond(nowUs),
      bitrate: this.#meter.bitsPerSecond(nowUs),
      frames: this.#frames,
      bytes: this.#bytes,
      hostDropped: this.#hostDropped,
      opened: this.#opened,
      failed: this.#failed,
      leftOut: this.#leftOut,
    };
  }

  /** `cameras.<name>.alwaysOn`: the encoder counts one user more, who never leaves of his own. */
  keepOpen(on: boolean): void {
    if (on === this.#keptOpen) return;
    this.#keptOpen = on;
    if (on) this.acquire();
    else this.release();
  }

  /** Counts a user in, and opens the encoder for the first. Every call needs one {@link release}. */
  acquire(): void {
    this.#users++;
    this.#closeTimer?.cancel();
    if (this.#state === "idle") this.#open();
  }

  release(): void {
    this.#users--;
    if (this.#users > 0 || this.#state === "idle") return;
    if (this.#state === "failed") this.#close();
    else {
      this.#closeTimer?.cancel();
      this.#closeTimer = this.#runtime.after(this.#lingerUs, () => this.#close());
    }
  }

  /**
   * Waits for the format (parameter sets and size), for the caller to have acquired the encoder.
   * @param done told at most once: at once when the format is known or the encoder has failed, else later, at the latest
   *   `waitUs` from now.
   * @returns what cancels the waiting.
   */
  whenFormatted(waitUs: Micros, done: (outcome: EncoderFormat | Failure) => void): { cancel(): void } {
    if (this.#format !== undefined) {
      done(this.#format);
      return { cancel: () => {} };
    }
    if (this.#state === "failed") {
      done({ failed: this.#reason });
      return { cancel: () => {} };
    }
    const waiter: FormatWaiter = {
      done,
      timer: this.#runtime.after(waitUs, () => {
        this.#waiters.delete(waiter);
        done({ failed: `no picture from the encoder within ${waitUs / 1_000_000} s` });
      }),
    };
    this.#waiters.add(waiter);
    return {
      cancel: () => {
        waiter.timer.cancel();
        this.#waiters.delete(waiter);
      },
    };
  }

  /** Asks for a key frame, within what the limiter allows; many asks become one. */
  requestKeyFrame(): void {
    if (this.#handle === 0) return;
    const atUs = this.#limiter.want(this.#runtime.nowUs);
    if (atUs <= this.#runtime.nowUs) this.#sendKeyRequest();
    else if (this.#keyTimer?.waiting !== true) {
      this.#keyTimer = this.#runtime.timers.at(atUs, () => this.#sendKeyRequest());
    }
  }

  /**
   * Aims at another bit rate, at once and whenever it is opened again.
   * @returns OK, or the host's refusal, and then nothing has changed.
   */
  setBitrate(bitrate: BitsPerSecond): number {
    const aimed = Math.min(bitrate, this.#aim.bitrate ?? bitrate);
    return this.#set({ ...this.#spec, bitrate }, (handle) => this.#runtime.host.encoderSetBitrate(handle, aimed));
  }

  /** JPEG quality, 1 … 100, as {@link setBitrate}. */
  setQuality(quality: number): number {
    const aimed = Math.min(quality, this.#aim.quality ?? quality);
    return this.#set({ ...this.#spec, quality }, (handle) => this.#runtime.host.encoderSetQuality(handle, aimed));
  }

  /**
   * Aims below the spec for viewers' networks, or with `{}` at it again; the spec stays what it is.
   * @returns OK, or the host's refusal, and then nothing has changed.
   */
  setAim(aim: Aim): number {
    const { host } = this.#runtime;
    const bitrate = aim.bitrate ?? this.#spec.bitrate;
    const quality = aim.quality ?? this.#spec.quality;
    if (this.#handle !== 0) {
      if (bitrate !== undefined && bitrate !== (this.#aim.bitrate ?? this.#spec.bitrate)) {
        const result = host.encoderSetBitrate(this.#handle, bitrate);
        if (result < 0) return result;
      }
      if (quality !== undefined && quality !== (this.#aim.quality ?? this.#spec.quality)) {
        const result = host.encoderSetQuality(this.#handle, quality);
        if (result < 0) return result;
      }
    }
    this.#aim = aim;
    return Code.OK;
  }

  /** Goes on with another camera: whoever uses it keeps waiting, and the first frame is a key frame. */
  switchCamera(camera: string): void {
    if (camera === this.#spec.camera) return;
    const inUse = this.#users > 0;
    this.#close("the camera is switched");
    this.#spec = { ...this.#spec, camera };
    this.#silentTimes = 0;
    if (inUse) this.#open();
  }

  /** The camera may not be used any more. With users it is tried again, as after every failure. */
  onCameraStopped(reason: string): void {
    if (this.#state === "starting" || this.#state === "running") this.#fail(reason);
  }

  /** The camera's state changed for the better: try at once instead of at the end of the pause. */
  retryNow(): void {
    if (this.#state !== "failed" || this.#users === 0) return;
    this.#reopenTimer?.cancel();
    this.#open();
  }

  /** Closes an encoder that gives no pictures though it should; with users it is opened again. Called about once a second. */
  checkLife(): void {
    if (this.#state !== "starting" && this.#state !== "running") return;
    const silentUs = this.#silence.silentUs(this.#runtime.nowUs, this.#spec.fps);
    if (silentUs === 0) return;
    this.#silentTimes++;
    const silentFor = Math.round(silentUs / MICROS_PER_SECOND);
    this.#fail(`no picture for ${silentFor} s`);
    const retry = this.#reopenTimer;
    this.#runtime.events.emit("encoder.silent", {
      encoder: this.label,
      camera: this.#spec.camera,
      seconds: silentFor,
      times: this.#silentTimes,
      retrySeconds: retry?.waiting === true ? (retry.dueUs - this.#runtime.nowUs) / MICROS_PER_SECOND : null,
    });
  }

  /** How often in a row it fell silent; 0 from the next picture on. */
  get silentTimes(): number {
    return this.#silentTimes;
  }

  /** Ends the encoder for good; consumers and those who wait hear that it failed. */
  shutDown(reason: string): void {
    this.#close();
    this.#settleWaiters({ failed: reason });
    for (const consumer of this.#consumers) consumer.onFailed?.(reason);
  }

  onEvent(event: HostEvent): void {
    switch (event.type) {
      case "frame":
        this.#onFrame(event);
        break;
      case "format":
        this.#format = event;
        for (const consumer of this.#consumers) consumer.onFormat?.(event);
        this.#settleWaiters(event);
        break;
      case "encoder":
        if (event.state === "running") this.#reason = "";
        else if (event.state === "starting") this.#reason = event.reason ?? "";
        else this.#fail(event.reason ?? event.state);
        break;
      default:
        break;
    }
  }

  #onFrame(frame: FrameEvent): void {
    this.#state = "running";
    this.#runningSinceUs ??= this.#runtime.nowUs;
    this.#lastPictureUs = this.#runtime.nowUs;
    this.#silence.heard(this.#runtime.nowUs);
    this.#silentTimes = 0;
    this.#frames++;
    this.#bytes += frame.length;
    const ageUs = this.#runtime.nowUs - frame.timeUs;
    this.#frameAgeUs += (ageUs - this.#frameAgeUs) * FRAME_AGE_WEIGHT;
    this.#runtime.metrics.frameAgeSeconds[this.#spec.codec].observeSpan(ageUs);
    this.#hostDropped += frame.dropped ?? 0;
    if (this.#aim.fps !== undefined && this.#isLeftOut(frame.timeUs, this.#aim.fps)) return;
    this.#meter.add(this.#runtime.nowUs, frame.length);
    if (frame.key) {
      this.#limiter.keyFrame();
      this.#keyTimer?.cancel();
    }
    for (const consumer of this.#consumers) consumer.onFrame(frame);
  }

  /** Every picture stands for itself, so any of them can be left out. */
  #isLeftOut(timeUs: Micros, fps: number): boolean {
    const slotUs = MICROS_PER_SECOND / fps;
    if (timeUs < this.#nextPictureUs - SLOT_EARLY_SHARE * slotUs) {
      this.#leftOut++;
      return true;
    }
    this.#nextPictureUs = Math.max(this.#nextPictureUs + slotUs, timeUs);
    return false;
  }

  #sendKeyRequest(): void {
    if (this.#handle === 0 || !this.#limiter.take(this.#runtime.nowUs)) return;
    this.#runtime.host.encoderRequestKeyFrame(this.#handle);
  }

  #set(spec: EncoderSpec, tell: (handle: number) => number): number {
    const result = this.#handle === 0 ? Code.OK : tell(this.#handle);
    if (result >= 0) this.#spec = spec;
    return result;
  }

  #open(): void {
    const state = this.#cameras.stateOf(this.#spec.camera);
    if (state.state === "disabled") return this.#fail(describeState(state));
    const { bitrate, quality } = this.#aim;
    const spec = {
      ...this.#spec,
      ...(bitrate === undefined ? {} : { bitrate }),
      ...(quality === undefined ? {} : { quality }),
    };
    const handle = this.#runtime.host.encoderOpen(JSON.stringify(spec));
    if (handle < 0) {
      const why =
        handle === Code.NOT_FOUND ? "no such camera" : handle === Code.UNSUPPORTED ? "not supported" : "refused";
      return this.#fail(`${describeState(state)}: encoder ${why} by the host`);
    }
    this.#handle = handle;
    this.#runtime.own(handle, this);
    this.#silence.begin(this.#runtime.nowUs);
    this.#state = "starting";
    this.#reason = "";
    this.#opened++;
    this.#runtime.log("info", `encoder=${handle} opened for ${this.label}`);
    this.#runtime.events.emit("stream.started", { encoder: this.label, camera: this.#spec.camera });
  }

  #close(how = "closed"): void {
    this.#closeTimer?.cancel();
    this.#reopenTimer?.cancel();
    this.#keyTimer?.cancel();
    this.#reopenPauseUs = REOPEN_FIRST_US;
    this.#releaseHandle(how);
    this.#state = "idle";
    this.#reason = "";
  }

  #fail(reason: string): void {
    const { nowUs } = this.#runtime;
    const ranUs = (this.#lastPictureUs ?? nowUs) - (this.#runningSinceUs ?? nowUs);
    if (ranUs > REOPEN_FORGIVEN_US) this.#reopenPauseUs = REOPEN_FIRST_US;
    this.#releaseHandle(`failed: ${reason}`);
    this.#failed++;
    this.#state = "failed";
    this.#reason = reason;
    this.#closeTimer?.cancel();
    this.#settleWaiters({ failed: reason });
    for (const consumer of this.#consumers) consumer.onFailed?.(reason);
    // Whoever heard of it may have been the last user, or have begun anew.
    if (this.#state !== "failed") return;
    if (this.#users === 0) return this.#close();
    this.#reopenTimer?.cancel();
    this.#reopenTimer = this.#runtime.after(this.#reopenPauseUs, () => {
      if (this.#state === "failed" && this.#users > 0) this.#open();
    });
    this.#reopenPauseUs = Math.min(this.#reopenPauseUs * 2, REOPEN_MAX_US);
  }

  #releaseHandle(how: string): void {
    this.#format = undefined;
    this.#runningSinceUs = undefined;
    this.#lastPictureUs = undefined;
    if (this.#handle === 0) return;
    this.#runtime.log("info", `encoder=${this.#handle} ${how}`);
    this.#runtime.events.emit("stream.stopped", { encoder: this.label, camera: this.#spec.camera, reason: how });
    this.#runtime.disown(this.#handle);
    this.#runtime.host.encoderClose(this.#handle);
    this.#handle = 0;
  }

  #settleWaiters(outcome: EncoderFormat | Failure): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) {
      waiter.timer.cancel();
      waiter.done(outcome);
    }
  }
}

export type Failure = { readonly failed: string };

type FormatWaiter = {
  readonly done: (outcome: EncoderFormat | Failure) => void;
  readonly timer: Timer;
};
