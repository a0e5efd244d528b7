/**
 * A clip's frames one after the other, in a loop: none may be left out, for each builds on the one before. The only way
 * elsewhere is to a key frame.
 */
import { type Clip, type ClipFrame, nextKey } from "./clip.ts";

export class FrameChain {
  #clip: Clip;
  #position = 0;
  #jump = false;

  constructor(clip: Clip) {
    this.#clip = clip;
  }

  next(): ClipFrame {
    if (this.#jump) this.#position = nextKey(this.#clip, this.#position);
    this.#jump = false;
    const frame = this.#clip.frames[this.#position]!;
    this.#position = (this.#position + 1) % this.#clip.frames.length;
    return frame;
  }

  /** Whether the next frame is a key frame. */
  get isAtKey(): boolean {
    return this.#jump || this.#clip.frames[this.#position]!.key;
  }

  /** The next frame is the clip's next key frame. */
  jumpToKey(): void {
    this.#jump = true;
  }

  /** Goes on with another clip of the same pictures, from its next key frame. The same clip changes nothing. */
  switchTo(clip: Clip): void {
    if (clip === this.#clip) return;
    this.#clip = clip;
    this.#jump = true;
  }
}
