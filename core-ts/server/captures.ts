/**
 * Still pictures that a camera takes apart from its streams: other sizes, another quality, another turn. Row 3.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import { type CameraInfo, Code, type EncoderSpec } from "../../bindings/contract/host.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, seconds } from "../time/units.ts";
import { type Cameras, describeState } from "./cameras.ts";
import { Picture } from "./picture.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";

/** Pictures that are being taken at a time; each may cost the host a full-size buffer. */
export const CAPTURES_MAX = 4;
/** Longest wait for one. */
export const CAPTURE_WAIT_US: Micros = seconds(10);

/** JSON of the contract's `capture`. */
export type CaptureSpec = {
  readonly width: number;
  readonly height: number;
  /** 1 … 100. */
  readonly quality: number;
  readonly rotation: EncoderSpec["rotation"];
};

export type NotCaptured = {
  readonly failed: string;
  /** `size`: the camera has not this one. `unsupported`: the host takes none at all. */
  readonly why: "size" | "unsupported" | "busy" | "unavailable";
};

export class Captures {
  readonly #runtime: Runtime;
  readonly #cameras: Cameras;
  readonly #pending = new Set<Capture>();

  constructor(runtime: Runtime, cameras: Cameras) {
    this.#runtime = runtime;
    this.#cameras = cameras;
  }

  /**
   * Takes a picture.
   * @param done told once: with a picture that the receiver releases, or why there is none; at once when that is known.
   * @returns what cancels it: `done` is not told any more.
   */
  take(camera: string, spec: CaptureSpec, done: (outcome: Picture | NotCaptured) => void): { cancel(): void } {
    const refusal = this.#refusal(camera, spec);
    const handle = refusal === undefined ? this.#runtime.host.capture(camera, JSON.stringify(spec)) : 0;
    if (refusal !== undefined || handle < 0) {
      done(refusal ?? refused(handle));
      return { cancel: () => {} };
    }
    const capture = new Capture(this.#runtime, handle, spec, done, () => this.#pending.delete(capture));
    this.#pending.add(capture);
    return { cancel: () => capture.forget() };
  }

  #refusal(camera: string, { width, height }: CaptureSpec): NotCaptured | undefined {
    const state = this.#cameras.stateOf(camera);
    if (state.state === "disabled") return { failed: describeState(state), why: "unavailable" };
    if (this.#pending.size >= CAPTURES_MAX) return { failed: "too many pictures are being taken at once", why: "busy" };
    const info = this.#cameras.infoOf(camera);
    if (info === undefined || hasSize(info, width, height)) return undefined;
    return { failed: `the camera has no picture of ${width}x${height}; ${sizesText(info)}`, why: "size" };
  }
}

/** One picture on its way. The host answers every one, so its blob is released whoever still wants it. */
class Capture implements HandleOwner {
  readonly #runtime: Runtime;
  readonly #handle: number;
  readonly #spec: CaptureSpec;
  readonly #onEnd: () => void;
  readonly #timer: Timer;
  #done: ((outcome: Picture | NotCaptured) => void) | undefined;

  constructor(
    runtime: Runtime,
    handle: number,
    spec: CaptureSpec,
    done: (outcome: Picture | NotCaptured) => void,
    onEnd: () => void,
  ) {
    this.#runtime = runtime;
    this.#handle = handle;
    this.#spec = spec;
    this.#done = done;
    this.#onEnd = onEnd;
    this.#timer = runtime.after(CAPTURE_WAIT_US, () =>
      this.#tell({ failed: `no picture from the camera within ${CAPTURE_WAIT_US / 1_000_000} s`, why: "unavailable" }),
    );
    runtime.own(handle, this);
  }

  forget(): void {
    this.#timer.cancel();
    this.#done = undefined;
  }

  onEvent(event: HostEvent): void {
    if (event.type !== "captured" && event.type !== "captureFailed") return;
    this.#runtime.disown(this.#handle);
    this.#onEnd();
    if (event.type === "captureFailed") return this.#tell({ failed: event.reason, why: "unavailable" });
    const { nowUs, host } = this.#runtime;
    const { blob, length, timeUs = nowUs, width = this.#spec.width, height = this.#spec.height } = event;
    if (this.#done === undefined) host.blobRelease(blob);
    else this.#tell(new Picture(host, { blob, length, timeUs, width, height }));
  }

  #tell(outcome: Picture | NotCaptured): void {
    const done = this.#done;
    this.forget();
    done?.(outcome);
  }
}

/** Sizes may be told for another way of holding the device. */
function hasSize({ sizes, still }: CameraInfo, width: number, height: number): boolean {
  const [long, short] = longFirst(width, height);
  if (still !== undefined) {
    const [mostLong, mostShort] = longFirst(still.width, still.height);
    if (long <= mostLong && short <= mostShort) return true;
  } else if (sizes.length === 0) return true;
  return sizes.some((size) => {
    const [sizeLong, sizeShort] = longFirst(size.width, size.height);
    return sizeLong === long && sizeShort === short;
  });
}

function longFirst(a: number, b: number): readonly [number, number] {
  return a >= b ? [a, b] : [b, a];
}

function sizesText({ sizes, still }: CameraInfo): string {
  const listed = sizes.map(({ width, height }) => `${width}x${height}`).join(", ");
  if (still === undefined) return `there is ${listed}`;
  return `there is anything up to ${still.width}x${still.height}${listed === "" ? "" : `, and ${listed}`}`;
}

function refused(code: number): NotCaptured {
  if (code === Code.UNSUPPORTED) {
    return {
      failed: "this host takes pictures of its streams only; leave out width, height, quality and rotation",
      why: "unsupported",
    };
  }
  if (code === Code.INVALID) return { failed: "the host takes no such picture", why: "size" };
  return { failed: code === Code.NOT_FOUND ? "no such camera" : "refused by the host", why: "unavailable" };
}
