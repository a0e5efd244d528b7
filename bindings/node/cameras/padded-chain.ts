/**
 * Renditions of the same pictures, padded to exactly the bit rate that was asked for: what `test:back?padded` plays.
 *
 * Rates that lie far apart are no encoder's: one that is told to lower its rate by a fifth does so with the next frame, and
 * sends no key frame for it. So every frame of the best rendition that fits is made longer by the same factor, key frames
 * too, with an SEI message that decoders pass over: user data (ITU-T H.264 annex D.1.6), before the slice, since SEI may not
 * follow it (section 7.4.1.2.3). Filler data would be the unit made for this, but RTP leaves it out.
 *
 * A better rendition begins at its next key frame; a smaller one at once, which takes a key frame.
 */
import { NalType, nalType } from "../../../core-ts/media/h264-nal.ts";
import { annexBUnits } from "../frame-units.ts";
import type { Clip, ClipFrame } from "./clip.ts";
import { FrameChain } from "./frame-chain.ts";

/** Start code, NAL unit header, payload type, its trailing bits; the size takes a byte each 255 on top. */
const USER_DATA_UNREGISTERED = 5;
const START_CODE_BYTES = 4;
const UUID_BYTES = 16;
const FRAME_BYTES = START_CODE_BYTES + 3;
/** Neither zeros, which would want emulation prevention, nor ones, which size bytes are. */
const PADDING = 0x50;

export type Rendition = {
  readonly clip: Clip;
  /** As played, in bits per second. */
  readonly bitrate: number;
};

export class PaddedChain {
  readonly #renditions: readonly Rendition[];
  readonly #chain: FrameChain;
  #playing: Rendition;
  #wanted: number;

  /** @param renditions at least one, the highest bit rate first. */
  constructor(renditions: readonly Rendition[], bitrate: number) {
    this.#renditions = renditions;
    this.#wanted = bitrate;
    this.#playing = this.#best();
    this.#chain = new FrameChain(this.#playing.clip);
  }

  next(): ClipFrame {
    const best = this.#best();
    if (best.bitrate > this.#playing.bitrate && this.#chain.isAtKey) this.#play(best);
    const frame = this.#chain.next();
    const factor = this.#wanted / this.#playing.bitrate;
    return padded(frame, Math.round(frame.data.length * factor) - frame.data.length);
  }

  setBitrate(bitsPerSecond: number): void {
    this.#wanted = bitsPerSecond;
    const best = this.#best();
    if (best.bitrate < this.#playing.bitrate) this.#play(best);
  }

  requestKeyFrame(): void {
    this.#chain.jumpToKey();
  }

  #play(rendition: Rendition): void {
    this.#playing = rendition;
    this.#chain.switchTo(rendition.clip);
  }

  #best(): Rendition {
    return this.#renditions.find(({ bitrate }) => bitrate <= this.#wanted) ?? this.#renditions.at(-1)!;
  }
}

/** The frame, longer by as many bytes; as it is when a message doesn't fit into so few. */
function padded(frame: ClipFrame, bytes: number): ClipFrame {
  // Bytes of the payload's size and the payload: each 256 hold 255 of the latter.
  const room = bytes - FRAME_BYTES;
  const size = room - Math.ceil(room / 256);
  if (size < UUID_BYTES) return frame;
  const sizeBytes = Math.floor(size / 255);
  const message = Buffer.alloc(FRAME_BYTES + sizeBytes + 1 + size, PADDING);
  message.writeUInt32BE(1);
  message.set([NalType.SEI, USER_DATA_UNREGISTERED], START_CODE_BYTES);
  message.fill(0xff, START_CODE_BYTES + 2, START_CODE_BYTES + 2 + sizeBytes);
  message[START_CODE_BYTES + 2 + sizeBytes] = size % 255;
  message[message.length - 1] = 0x80;
  const slice = frame.units.findIndex(({ head }) => nalType(head) > 0 && nalType(head) <= NalType.IDR_SLICE);
  const before = frame.units[slice - 1];
  const at = before === undefined ? 0 : before.offset + before.length;
  const data = Buffer.concat([frame.data.subarray(0, at), message, frame.data.subarray(at)]);
  return { ...frame, data, units: annexBUnits(data).units };
}
