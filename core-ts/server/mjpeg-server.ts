/**
 * Whether MJPEG streams are served over HTTP: a switch of the commands, on at the start. Row 3.
 *
 * Snapshots, RTSP and the API are not concerned.
 */
import type { Viewers } from "./viewers.ts";

export class MjpegServer {
  readonly #viewers: Viewers;
  #running = true;

  constructor(viewers: Viewers) {
    this.#viewers = viewers;
  }

  get running(): boolean {
    return this.#running;
  }

  /** @returns false when it was running already. */
  start(): boolean {
    const changed = !this.#running;
    this.#running = true;
    return changed;
  }

  /** Ends the streams that run; further ones are refused. @returns false when it was stopped already. */
  stop(): boolean {
    const changed = this.#running;
    this.#running = false;
    this.#viewers.endAll("http", "the MJPEG server is stopped");
    return changed;
  }
}
