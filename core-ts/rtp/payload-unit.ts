/**
 * What a packetizer needs to know of one unit of a frame. Row 1.
 *
 * Folders of a row don't import one another: this has the shape of a `MediaUnit`, and of the contract's `FrameUnit`.
 */
export type PayloadUnit = {
  /** First byte, counted from the frame's start. */
  readonly offset: number;
  /** Bytes, without start codes. */
  readonly length: number;
  /** The first bytes as host text; at least one for an H.264 NAL unit. */
  readonly head: string;
};

/** How a packetizer is set up. */
export type PacketizerOptions = {
  /** 32 bits. */
  readonly ssrc: number;
  /** 0 … 127. */
  readonly payloadType: number;
  /** Most bytes of an RTP payload; the RTP header comes on top. {@link MAX_PAYLOAD_DEFAULT} when absent. */
  readonly maxPayload?: number;
};

/** Leaves room for IP, UDP and RTP headers and a tunnel's in an Ethernet frame of 1,500 bytes. */
export const MAX_PAYLOAD_DEFAULT = 1400;
/** An IPv4 datagram carries 65,507 bytes behind its UDP header, 12 of them RTP's. */
export const MAX_PAYLOAD_LIMIT = 65_495;
