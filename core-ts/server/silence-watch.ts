/**
 * Tells an encoder that has fallen silent from one that is merely slow. Row 3.
 *
 * Cameras hang without a word: a driver that stops delivering, a phone's camera service that was restarted, a process that
 * is stopped. The host then has nothing to report, so silence itself must be the sign.
 */
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";

/** From opening to the first picture. Slow cameras of phones take 2 to 3 s, v4l2 devices that wake up more. */
export const FIRST_PICTURE_MAX_US: Micros = seconds(10);
/** A running encoder may leave out so many pictures of its rate: cameras go slower in the dark. */
export const SILENT_PICTURES = 10;
/** And it is never called silent sooner than this. */
export const SILENT_LEAST_US: Micros = seconds(3);
/** So many silences of its only working encoder in a row are the camera's: opening it anew has not helped. */
export const CAMERA_SILENT_TIMES = 2;

export class SilenceWatch {
  #heardUs: Micros = 0;
  #hasPicture = false;

  /** It was opened. */
  begin(nowUs: Micros): void {
    this.#heardUs = nowUs;
    this.#hasPicture = false;
  }

  /** A picture came; on the hot path. */
  heard(nowUs: Micros): void {
    this.#heardUs = nowUs;
    this.#hasPicture = true;
  }

  /** How long nothing was heard, if that is too long at so many pictures a second; 0 otherwise. */
  silentUs(nowUs: Micros, fps: number): Micros {
    const most = this.#hasPicture
      ? Math.max(SILENT_LEAST_US, (SILENT_PICTURES * MICROS_PER_SECOND) / fps)
      : FIRST_PICTURE_MAX_US;
    const silentUs = nowUs - this.#heardUs;
    return silentUs > most ? silentUs : 0;
  }
}
