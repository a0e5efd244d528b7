/**
 * Source description (RFC 3550 section 6.5): the canonical name, which ties the tracks of one camera together. Row 1.
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                             SSRC                              |   chunk, count times
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    CNAME=1    |     length    | name, UTF-8               ...      items
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |       0, up to the next word                                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { byteAt, uint32At, utf8Bytes, utf8OfText } from "../bytes/text.ts";
import {
  checkCount,
  encodeRtcpHeader,
  paddedToWord,
  RTCP_HEADER_BYTES,
  type RtcpHeader,
  RtcpType,
  requireBytes,
} from "./rtcp-header.ts";

export type SourceDescriptionChunk = {
  readonly ssrc: number;
  /** At most 255 bytes of UTF-8; longer is a bug of ours. Undefined when a peer's chunk has none. */
  readonly cname: string | undefined;
};

export type SourceDescription = {
  readonly type: "source-description";
  /** At most 31. */
  readonly chunks: readonly SourceDescriptionChunk[];
};

const SSRC_BYTES = 4;
const ITEM_END = 0;
const ITEM_CNAME = 1;
const ITEM_HEADER_BYTES = 2;
const ITEM_MAX_BYTES = 255;

export function sourceDescriptionBytes(description: SourceDescription): number {
  let size = RTCP_HEADER_BYTES;
  for (const chunk of description.chunks) size += chunkBytes(itemBytes(chunk));
  return size;
}

/** @returns the offset after the packet. */
export function encodeSourceDescription(description: SourceDescription, view: DataView, at: number): number {
  checkCount(description.chunks.length);
  const size = sourceDescriptionBytes(description);
  let chunkAt = encodeRtcpHeader(view, at, description.chunks.length, RtcpType.SOURCE_DESCRIPTION, size);
  for (const chunk of description.chunks) {
    const name = itemBytes(chunk);
    view.setUint32(chunkAt, chunk.ssrc);
    if (name !== undefined) {
      if (name.length > ITEM_MAX_BYTES)
        throw new RangeError(`CNAME of ${name.length} bytes, at most ${ITEM_MAX_BYTES}`);
      view.setUint8(chunkAt + SSRC_BYTES, ITEM_CNAME);
      view.setUint8(chunkAt + SSRC_BYTES + 1, name.length);
      for (let i = 0; i < name.length; i++) view.setInt8(chunkAt + SSRC_BYTES + ITEM_HEADER_BYTES + i, name[i]!);
    }
    // The rest of the chunk is zeros: at least one of them ends the items.
    chunkAt += chunkBytes(name);
  }
  return chunkAt;
}

function itemBytes(chunk: SourceDescriptionChunk): Int8Array | undefined {
  return chunk.cname === undefined ? undefined : utf8Bytes(chunk.cname);
}

function chunkBytes(name: Int8Array | undefined): number {
  return paddedToWord(SSRC_BYTES + (name === undefined ? 0 : ITEM_HEADER_BYTES + name.length) + 1);
}

/** @throws ProtocolFault `rtcp-malformed`. */
export function decodeSourceDescription(text: string, header: RtcpHeader): SourceDescription {
  const chunks: SourceDescriptionChunk[] = [];
  let at = header.start;
  while (chunks.length < header.count) {
    requireBytes(header, at + SSRC_BYTES);
    const ssrc = uint32At(text, at);
    const chunkAt = at;
    at += SSRC_BYTES;
    let cname: string | undefined;
    // The zero that ends the items is the sender's duty, but a packet that simply ends there is as clear.
    while (at < header.end && byteAt(text, at) !== ITEM_END) {
      requireBytes(header, at + ITEM_HEADER_BYTES);
      const start = at + ITEM_HEADER_BYTES;
      const item = byteAt(text, at);
      at = start + byteAt(text, at + 1);
      requireBytes(header, at);
      if (item === ITEM_CNAME) cname ??= utf8OfText(text.slice(start, at));
    }
    // A chunk is a whole number of words, the ending zero included.
    at = Math.min(chunkAt + paddedToWord(at + 1 - chunkAt), header.end);
    chunks.push({ ssrc, cname });
  }
  return { type: "source-description", chunks };
}
