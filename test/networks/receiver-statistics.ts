/** What a receiver reports of one source: RFC 3550 section 6.4.1, with the algorithms of appendices A.3 and A.8. */

const RTP_HZ = 90_000;

export class ReceiverStatistics {
  readonly #ssrc: number;
  #base: number | undefined;
  /** Extended highest sequence number. */
  #highest = 0;
  #received = 0;
  #expectedPrior = 0;
  #receivedPrior = 0;
  #transit: number | undefined;
  #jitter = 0;
  /** Of the last sender report: the middle of its NTP time, and when it came. */
  #last: { readonly ntp: number; readonly atMs: number } | undefined;

  constructor(ssrc: number) {
    this.#ssrc = ssrc;
  }

  /** Since the beginning. */
  get lost(): number {
    return this.#base === undefined ? 0 : this.#highest - this.#base + 1 - this.#received;
  }

  packet(sequence: number, rtpTime: number, atMs: number): void {
    if (this.#base === undefined) {
      this.#base = sequence;
      this.#highest = sequence;
    }
    const ahead = ((sequence - this.#highest) << 16) >> 16;
    if (ahead > 0) this.#highest += ahead;
    this.#received += 1;
    // Modulo 2^32, as RTP time is.
    const transit = (Math.round((atMs * RTP_HZ) / 1_000) - rtpTime) | 0;
    if (this.#transit !== undefined) this.#jitter += (Math.abs((transit - this.#transit) | 0) - this.#jitter) / 16;
    this.#transit = transit;
  }

  /** @param packet an RTCP compound that begins with a sender report. */
  senderReport(packet: Buffer, atMs: number): void {
    this.#last = { ntp: packet.readUInt32BE(10), atMs };
  }

  /** A receiver report; the fraction lost is of the time since the last one, 0 to 1. */
  report(ownSsrc: number, atMs: number): { readonly packet: Buffer; readonly fractionLost: number } {
    const expected = this.#base === undefined ? 0 : this.#highest - this.#base + 1;
    const expectedNow = expected - this.#expectedPrior;
    const lostNow = expectedNow - (this.#received - this.#receivedPrior);
    this.#expectedPrior = expected;
    this.#receivedPrior = this.#received;
    const fraction = expectedNow > 0 && lostNow > 0 ? Math.floor((lostNow * 256) / expectedNow) : 0;
    const packet = Buffer.alloc(32);
    packet.writeUInt8(0x81, 0);
    packet.writeUInt8(201, 1);
    packet.writeUInt16BE(7, 2);
    packet.writeUInt32BE(ownSsrc, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    packet.writeUInt8(Math.min(255, fraction), 12);
    packet.writeIntBE(Math.max(-0x80_0000, Math.min(0x7f_ffff, this.lost)), 13, 3);
    packet.writeUInt32BE(this.#highest % 2 ** 32, 16);
    packet.writeUInt32BE(Math.round(this.#jitter), 20);
    if (this.#last !== undefined) {
      packet.writeUInt32BE(this.#last.ntp, 24);
      packet.writeUInt32BE(Math.round(((atMs - this.#last.atMs) * 65_536) / 1_000) % 2 ** 32, 28);
    }
    return { packet, fractionLost: fraction / 256 };
  }
}
