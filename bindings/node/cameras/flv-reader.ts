/**
 * Reads H.264 from ffmpeg's FLV output (Adobe Flash Video File Format 10.1, annex E), as a pipe brings it.
 *
 * FLV and not a bare byte stream, because it says each frame's length first: in Annex B a frame's end shows only with
 * the next frame's beginning, which would cost a frame interval of delay.
 *
 *     header   "FLV" | version | flags | length u32 (9)         then u32 0
 *     tag      type u8 | length u24 | time u24, u8 | stream u24 | body | u32 length of the tag
 *     video    frame type, codec u8 (low nibble 7: AVC) | packet type u8 | composition time u24 | data
 *     data     packet type 0: AVCDecoderConfigurationRecord (ISO/IEC 14496-15); 1: NAL units, each after its length u32
 */
import { CameraFault } from "./camera-fault.ts";

/** Largest frame: a key frame of a camera is a tenth of that. */
export const FLV_TAG_MAX_BYTES = 8 * 1024 * 1024;

const FILE_HEADER_BYTES = 9 + 4;
const TAG_HEADER_BYTES = 11;
const TRAILER_BYTES = 4;
const VIDEO_TAG = 9;
const TAG_TYPE_MASK = 0x1f;
const CODEC_AVC = 7;
const VIDEO_HEADER_BYTES = 5;
const PACKET_CONFIGURATION = 0;
const PACKET_UNITS = 1;
const KEY_FRAME = 1;

export type FlvVideo =
  /** SPS and PPS without start codes. */
  | { readonly kind: "configuration"; readonly sps: readonly Buffer[]; readonly pps: readonly Buffer[] }
  | {
      readonly kind: "frame";
      /** An Annex-B access unit: the lengths have become start codes of four bytes. */
      readonly data: Buffer;
      readonly key: boolean;
      /** What {@link FlvReader.feed} was told with the chunk that held the tag's first byte. */
      readonly arrivedUs: number;
    };

export class FlvReader {
  /** The header that is being filled: the file's first, then each tag's. */
  #header = Buffer.alloc(FILE_HEADER_BYTES);
  #state: "file" | "tag" | "body" = "file";
  #filled = 0;
  #body = Buffer.alloc(0);
  #arrivedUs = 0;

  /** @throws CameraFault when the bytes are no FLV with H.264, or a tag exceeds {@link FLV_TAG_MAX_BYTES}. */
  feed(chunk: Buffer, nowUs: number): FlvVideo[] {
    const found: FlvVideo[] = [];
    let at = 0;
    while (at < chunk.length) {
      const target = this.#state === "body" ? this.#body : this.#header;
      if (this.#filled === 0 && this.#state !== "body") this.#arrivedUs = nowUs;
      const taken = Math.min(target.length - this.#filled, chunk.length - at);
      chunk.copy(target, this.#filled, at, at + taken);
      at += taken;
      this.#filled += taken;
      if (this.#filled === target.length) this.#complete(found);
    }
    return found;
  }

  #complete(found: FlvVideo[]): void {
    this.#filled = 0;
    if (this.#state === "file") {
      if (this.#header.toString("latin1", 0, 3) !== "FLV" || this.#header.readUInt32BE(5) !== 9) {
        throw new CameraFault("ffmpeg's output isn't FLV");
      }
      this.#header = Buffer.alloc(TAG_HEADER_BYTES);
      this.#state = "tag";
      return;
    }
    if (this.#state === "tag") {
      const length = this.#header.readUIntBE(1, 3);
      if (length > FLV_TAG_MAX_BYTES) throw new CameraFault(`a frame of ${length} bytes, above ${FLV_TAG_MAX_BYTES}`);
      this.#body = Buffer.allocUnsafe(length + TRAILER_BYTES);
      this.#state = "body";
      return;
    }
    this.#state = "tag";
    if ((this.#header[0]! & TAG_TYPE_MASK) !== VIDEO_TAG) return;
    const body = this.#body.subarray(0, this.#body.length - TRAILER_BYTES);
    if (body.length < VIDEO_HEADER_BYTES || (body[0]! & 0x0f) !== CODEC_AVC) {
      throw new CameraFault("ffmpeg's output holds no H.264");
    }
    const data = body.subarray(VIDEO_HEADER_BYTES);
    if (body[1] === PACKET_CONFIGURATION) found.push(parseConfiguration(data));
    // Without a unit (an encoder's end of stream) there is no frame.
    else if (body[1] === PACKET_UNITS && data.length > 0) {
      lengthsToStartCodes(data);
      found.push({ kind: "frame", data, key: body[0]! >> 4 === KEY_FRAME, arrivedUs: this.#arrivedUs });
    }
  }
}

function parseConfiguration(record: Buffer): FlvVideo {
  const cut = (): never => {
    throw new CameraFault("ffmpeg's H.264 configuration is cut short");
  };
  if (record.length < 7) cut();
  if ((record[4]! & 3) !== 3) throw new CameraFault("ffmpeg's NAL unit lengths aren't four bytes long");
  let at = 5;
  const sets = (count: number): Buffer[] => {
    const list: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      if (at + 2 > record.length) cut();
      const length = record.readUInt16BE(at);
      at += 2;
      if (at + length > record.length) cut();
      list.push(record.subarray(at, at + length));
      at += length;
    }
    return list;
  };
  const sps = sets(record[at++]! & 0x1f);
  if (at >= record.length) cut();
  const pps = sets(record[at++]!);
  return { kind: "configuration", sps, pps };
}

/** In place: both take four bytes. */
function lengthsToStartCodes(data: Buffer): void {
  let at = 0;
  while (at < data.length) {
    if (at + 4 > data.length) throw new CameraFault("a NAL unit's length is cut short");
    const length = data.readUInt32BE(at);
    if (length === 0 || at + 4 + length > data.length) throw new CameraFault("a NAL unit leaves its frame");
    data.writeUInt32BE(1, at);
    at += 4 + length;
  }
}
