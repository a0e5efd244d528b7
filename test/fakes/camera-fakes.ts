/** A clock and timers moved by hand, and a sink that keeps what a camera tells the host. */

import type { EncoderSpec } from "../../bindings/contract/host.ts";
import type { EncodedFormat, EncodedFrame, EncoderSink } from "../../bindings/node/camera-source.ts";
import type { Timers } from "../../bindings/node/cameras/timers.ts";

export class FakeTime implements Timers {
  us = 5_000_000_123;
  readonly #waiting: { readonly atUs: number; readonly callback: () => void }[] = [];

  readonly nowUs = (): number => this.us;

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atUs: this.us + delayMs * 1000, callback };
    this.#waiting.push(timer);
    return () => {
      const at = this.#waiting.indexOf(timer);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs the timers one by one, each `lateUs` after its time. */
  advance(us: number, lateUs = 0): void {
    const untilUs = this.us + us;
    for (;;) {
      const [next] = this.#waiting.toSorted((a, b) => a.atUs - b.atUs);
      if (next === undefined || next.atUs + lateUs > untilUs) break;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.us = Math.max(this.us, next.atUs + lateUs);
      next.callback();
    }
    this.us = untilUs;
  }

  /** The loop is blocked: time passes, no timer runs. */
  stall(us: number): void {
    this.us += us;
  }
}

export class FakeSink implements EncoderSink {
  /** One line an event: `running`, `failed: reason`, `1280x720`, `key` or `frame`. */
  readonly log: string[] = [];
  readonly formats: EncodedFormat[] = [];
  readonly frames: EncodedFrame[] = [];
  /** Set by a test that waits for real events. */
  onEvent: () => void = () => {};

  state(state: string, reason?: string): void {
    this.log.push(reason === undefined ? state : `${state}: ${reason}`);
    this.onEvent();
  }

  format(format: EncodedFormat): void {
    this.formats.push(format);
    this.log.push(`${format.width}x${format.height}`);
    this.onEvent();
  }

  frame(frame: EncodedFrame): void {
    this.frames.push(frame);
    this.log.push(frame.key ? "key" : "frame");
    this.onEvent();
  }

  /** Resolves when `condition` holds, rejects after `timeoutMs`. */
  until(condition: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not in time; so far: ${this.log.join(", ")}`)), timeoutMs);
      this.onEvent = () => {
        if (!condition()) return;
        clearTimeout(timer);
        resolve();
      };
      this.onEvent();
    });
  }
}

export function spec(overrides: Partial<EncoderSpec> = {}): EncoderSpec {
  return { camera: "cam", codec: "h264", width: 1280, height: 720, fps: 25, rotation: 0, mirror: false, ...overrides };
}
