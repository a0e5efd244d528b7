/**
 * One still picture, kept by the host as a blob as long as somebody holds it. Row 3.
 */
import type { Host } from "../../bindings/contract/host.ts";
import type { Micros } from "../time/units.ts";

export type PictureFacts = {
  readonly blob: number;
  /** Bytes of the JPEG file. */
  readonly length: number;
  /** Capture time on the host's clock. */
  readonly timeUs: Micros;
  readonly width: number;
  readonly height: number;
};

export class Picture {
  readonly blob: number;
  readonly length: number;
  readonly timeUs: Micros;
  readonly width: number;
  readonly height: number;
  readonly #host: Host;
  #holders = 1;

  /** Whoever makes it holds it. */
  constructor(host: Host, { blob, length, timeUs, width, height }: PictureFacts) {
    this.#host = host;
    this.blob = blob;
    this.length = length;
    this.timeUs = timeUs;
    this.width = width;
    this.height = height;
  }

  /** One holder more. Every call, like the making, needs one {@link release}. */
  hold(): Picture {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders === 0) this.#host.blobRelease(this.blob);
  }
}

export type NoPicture = { readonly failed: string };
