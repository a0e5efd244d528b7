/**
 * What makes an RTP stream one stream for all its readers: SSRC, sequence numbers, timestamps and counts (RFC 3550
 * sections 5.1 and 6.4.1). Row 2.
 *
 * It belongs to the profile, not to a reader, so that the bytes are the same for everyone, and it goes on when the
 * encoder is reopened, changes its rate or its camera.
 */
import type { Micros, RtpTime } from "../time/units.ts";

const TWO_POW_16 = 0x1_0000;
const TWO_POW_32 = 0x1_0000_0000;

export type RtpStreamStart = {
  /** 32 random bits each (RFC 3550 section 8.1 and 5.1). */
  readonly ssrc: number;
  readonly timestampBase: number;
  /** 16 random bits. */
  readonly sequence: number;
  /** Ticks a second: 90,000 for video. */
  readonly clockRate: number;
};

export class RtpStream {
  readonly ssrc: number;
  readonly clockRate: number;
  readonly #timestampBase: number;
  #sequence: number;
  #packets = 0;
  #octets = 0;

  constructor(start: RtpStreamStart) {
    this.ssrc = start.ssrc >>> 0;
    this.clockRate = start.clockRate;
    this.#timestampBase = start.timestampBase >>> 0;
    this.#sequence = start.sequence & 0xffff;
  }

  /** Sequence number of the next packet, modulo 2^16. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Packets sent since the stream's start, modulo 2^32. */
  get packets(): number {
    return this.#packets;
  }

  /** Payload octets sent since the stream's start, modulo 2^32: without headers and padding. */
  get octets(): number {
    return this.#octets;
  }

  /** RTP timestamp of a moment on the host's clock, modulo 2^32. */
  timestampOf(timeUs: Micros): RtpTime {
    const ticks = Math.round((timeUs * (this.clockRate / 10_000)) / 100);
    return (this.#timestampBase + (ticks % TWO_POW_32)) % TWO_POW_32;
  }

  /** Counts the packets of a frame that has been sent. */
  advance(packets: number, octets: number): void {
    this.#sequence = (this.#sequence + packets) % TWO_POW_16;
    this.#packets = (this.#packets + packets) % TWO_POW_32;
    this.#octets = (this.#octets + octets) % TWO_POW_32;
  }
}
