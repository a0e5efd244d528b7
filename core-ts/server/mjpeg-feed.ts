/**
 * One JPEG encoder's pictures for HTTP: the multipart stream's fan-out, and whoever waits for the next picture. Row 3.
 */
import type { FrameEvent } from "../../bindings/contract/events.ts";
import { GatherPlan } from "../bytes/gather-plan.ts";
import { utf8Bytes } from "../bytes/text.ts";
import { partHeader, partTrailer } from "../http/multipart.ts";
import type { Timer } from "../time/timer-queue.ts";
import type { Micros } from "../time/units.ts";
import type { Encoder, FrameConsumer } from "./encoder.ts";
import type { Runtime } from "./runtime.ts";

/** A picture kept for one request. The receiver releases the blob. */
export type Picture = {
  readonly blob: number;
  readonly length: number;
  readonly timeUs: Micros;
  readonly width: number;
  readonly height: number;
};

export type NoPicture = { readonly failed: string };

export class MjpegFeed implements FrameConsumer {
  readonly encoder: Encoder;
  readonly #runtime: Runtime;
  readonly #plan = new GatherPlan();
  readonly #trailer = utf8Bytes(partTrailer);
  readonly #waiters = new Set<PictureWaiter>();
  #fanout = 0;
  #members = 0;

  constructor(runtime: Runtime, encoder: Encoder) {
    this.#runtime = runtime;
    this.encoder = encoder;
    encoder.addConsumer(this);
  }

  /** Adds an outlet; its first part is the next picture. */
  join(outlet: number): void {
    if (this.#members++ === 0) this.#fanout = this.#runtime.host.fanoutCreate("http");
    this.#runtime.host.fanoutAdd(this.#fanout, outlet);
  }

  leave(outlet: number): void {
    this.#runtime.host.fanoutRemove(this.#fanout, outlet);
    if (--this.#members > 0) return;
    this.#runtime.host.fanoutClose(this.#fanout);
    this.#fanout = 0;
  }

  /**
   * Waits for the next picture, the caller having acquired the encoder.
   * @param keep true: the picture is kept as a blob; false: it is only announced, before it goes to the stream.
   */
  awaitPicture(waitUs: Micros, keep: boolean, done: (picture: Picture | NoPicture) => void): { cancel(): void } {
    if (this.encoder.state === "failed") {
      done({ failed: this.encoder.reason });
      return { cancel: () => {} };
    }
    const waiter: PictureWaiter = {
      keep,
      done,
      timer: this.#runtime.after(waitUs, () => {
        this.#waiters.delete(waiter);
        done({ failed: `no picture from the camera within ${waitUs / 1_000_000} s` });
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

  onFrame(frame: FrameEvent): void {
    if (this.#waiters.size > 0) this.#settle(frame);
    if (this.#fanout === 0) return;
    const plan = this.#plan;
    plan.reset();
    plan.literalBytes(utf8Bytes(partHeader(frame.length, frame.timeUs)));
    plan.slice(0, frame.length);
    plan.literalBytes(this.#trailer);
    this.#runtime.host.fanoutSend(this.#fanout, frame.frame, plan.bytes, plan.length, true);
  }

  onFailed(reason: string): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) {
      waiter.timer.cancel();
      waiter.done({ failed: reason });
    }
  }

  #settle(frame: FrameEvent): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) {
      waiter.timer.cancel();
      const blob = waiter.keep ? this.#runtime.host.keepFrame(frame.frame) : 0;
      if (blob < 0) waiter.done({ failed: "too many pictures are being sent at once" });
      else {
        const { width, height } = this.encoder.format ?? this.encoder.spec;
        waiter.done({ blob, length: frame.length, timeUs: frame.timeUs, width, height });
      }
    }
  }
}

type PictureWaiter = {
  readonly keep: boolean;
  readonly done: (picture: Picture | NoPicture) => void;
  readonly timer: Timer;
};
