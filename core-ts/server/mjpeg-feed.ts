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
import { type NoPicture, Picture } from "./picture.ts";
import type { Runtime } from "./runtime.ts";

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
   * @param afterUs only a picture taken later counts.
   * @param done told once, unless it is cancelled: with the picture, which the receiver releases, or why there is none.
   */
  awaitPicture(waitUs: Micros, done: (picture: Picture | NoPicture) => void, afterUs: Micros = -1): { cancel(): void } {
    return this.#wait(waitUs, { keep: true, afterUs, done });
  }

  /** As {@link awaitPicture}, for who only wants to know that there is one: before it goes to the stream. */
  awaitSign(waitUs: Micros, done: (outcome: NoPicture | undefined) => void): { cancel(): void } {
    return this.#wait(waitUs, { keep: false, afterUs: -1, done });
  }

  #wait(waitUs: Micros, wish: Wish): { cancel(): void } {
    const { done } = wish;
    if (this.encoder.state === "failed") {
      done({ failed: this.encoder.reason });
      return { cancel: () => {} };
    }
    const waiter: PictureWaiter = {
      ...wish,
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
    const waiters = [...this.#waiters].filter(({ afterUs }) => frame.timeUs > afterUs);
    for (const waiter of waiters) {
      this.#waiters.delete(waiter);
      waiter.timer.cancel();
    }
    // One for all who want it.
    const picture = waiters.some(({ keep }) => keep) ? this.#keep(frame) : undefined;
    for (const waiter of waiters) {
      if (!waiter.keep) waiter.done(undefined);
      else waiter.done(picture?.hold() ?? { failed: "too many pictures are being sent at once" });
    }
    picture?.release();
  }

  #keep({ frame, length, timeUs }: FrameEvent): Picture | undefined {
    const { host } = this.#runtime;
    const blob = host.keepFrame(frame);
    if (blob < 0) return undefined;
    const { width, height } = this.encoder.format ?? this.encoder.spec;
    return new Picture(host, { blob, length, timeUs, width, height });
  }
}

type Wish =
  | { readonly keep: true; readonly afterUs: Micros; readonly done: (outcome: Picture | NoPicture) => void }
  | { readonly keep: false; readonly afterUs: Micros; readonly done: (outcome: NoPicture | undefined) => void };

type PictureWaiter = Wish & { readonly timer: Timer };
