/**
 * What a receiver sees of one RTP stream (RFC 3550): every gap in the sequence numbers, every picture with its arrival time,
 * the NAL unit types of H.264 (RFC 6184), and the RTCP that goes with it. It looks at bytes only and shares no code with the
 * server.
 */

/** A gap in the sequence numbers. */
export type Gap = {
  readonly missing: number;
  /** True when the packet before ended a picture, so that no picture was cut short. */
  readonly afterPicture: boolean;
  /** True when the packet after begins a picture that can be decoded by itself. */
  readonly beforeKey: boolean;
  readonly atMs: number;
};

export type Picture = {
  readonly rtpTime: number;
  /** H.264: the NAL unit types in order, fragments counted once. JPEG: empty. */
  readonly nalTypes: readonly number[];
  /** `performance.now()` of its last packet. */
  readonly atMs: number;
  readonly packets: number;
  readonly bytes: number;
};

export type SenderReport = {
  readonly ssrc: number;
  /** NTP time as seconds since 1900. */
  readonly ntpSeconds: number;
  readonly rtpTime: number;
  readonly packets: number;
  readonly octets: number;
  readonly atMs: number;
};

const SLICE_IDR = 5;
const STAP_A = 24;
const FU_A = 28;
const PT_JPEG = 26;

export class RtpTrack {
  /** Of the first packet. */
  first:
    | {
        readonly sequence: number;
        readonly rtpTime: number;
        readonly nalTypes: readonly number[];
        readonly atMs: number;
      }
    | undefined;
  ssrc: number | undefined;
  payloadType: number | undefined;
  packets = 0;
  octets = 0;
  readonly gaps: Gap[] = [];
  /** Whole pictures, those with a gap inside left out. */
  readonly pictures: Picture[] = [];
  readonly senderReports: SenderReport[] = [];
  /** Canonical names of SDES, in order of arrival. */
  readonly names: string[] = [];
  readonly goodbyes: number[] = [];
  /** What no receiver should see: other SSRCs, payload types or versions, markers where none belongs. */
  readonly oddities: string[] = [];
  readonly #onPicture: (() => void)[] = [];
  #expected = -1;
  #markerSeen = true;
  #rtpTime = -1;
  #nalTypes: number[] = [];
  #packetsOfPicture = 0;
  #bytesOfPicture = 0;
  #whole = true;

  /** Packets that never came. */
  get lost(): number {
    return this.gaps.reduce((sum, gap) => sum + gap.missing, 0);
  }

  /** Resolves once the track holds so many whole pictures. */
  async picturesReach(count: number): Promise<void> {
    while (this.pictures.length < count) await new Promise<void>((done) => this.#onPicture.push(done));
  }

  /** One RTP packet (RFC 3550 section 5.1). */
  rtp(packet: Buffer, atMs: number): void {
    if (packet.length < 12 || packet[0]! >> 6 !== 2) {
      this.oddities.push(`no RTP: ${packet.subarray(0, 12).toString("hex")}`);
      return;
    }
    const payloadType = packet[1]! & 0x7f;
    const marker = packet[1]! >> 7 === 1;
    const sequence = packet.readUInt16BE(2);
    const rtpTime = packet.readUInt32BE(4);
    const ssrc = packet.readUInt32BE(8);
    const payload = packet.subarray(12 + (packet[0]! & 15) * 4);
    this.ssrc ??= ssrc;
    this.payloadType ??= payloadType;
    if (ssrc !== this.ssrc) this.oddities.push(`SSRC ${ssrc} after ${this.ssrc}`);
    if (payloadType !== this.payloadType) this.oddities.push(`payload type ${payloadType} after ${this.payloadType}`);

    const starting = payloadType === PT_JPEG ? [] : startingNalTypes(payload);
    this.first ??= { sequence, rtpTime, nalTypes: starting, atMs };
    const missing = this.#expected < 0 ? 0 : (sequence - this.#expected) & 0xffff;
    if (missing > 0) {
      const beforeKey = payloadType === PT_JPEG ? fragmentOffset(payload) === 0 : isKeyStart(starting);
      this.gaps.push({ missing, afterPicture: this.#markerSeen, beforeKey, atMs });
    }
    this.#expected = (sequence + 1) & 0xffff;
    this.packets += 1;
    this.octets += payload.length;

    if (this.#markerSeen || rtpTime !== this.#rtpTime) {
      if (!this.#markerSeen && missing === 0) this.oddities.push(`a picture without a marker before ${sequence}`);
      this.#nalTypes = [];
      this.#packetsOfPicture = 0;
      this.#bytesOfPicture = 0;
      this.#whole = missing === 0 || this.#markerSeen;
    } else if (missing > 0) this.#whole = false;
    if (this.#markerSeen && rtpTime === this.#rtpTime)
      this.oddities.push(`a marker inside a picture before ${sequence}`);
    this.#rtpTime = rtpTime;
    this.#markerSeen = marker;
    this.#nalTypes.push(...starting);
    this.#packetsOfPicture += 1;
    this.#bytesOfPicture += payload.length;
    if (!marker || !this.#whole) return;
    this.pictures.push({
      rtpTime,
      nalTypes: this.#nalTypes,
      atMs,
      packets: this.#packetsOfPicture,
      bytes: this.#bytesOfPicture,
    });
    for (const done of this.#onPicture.splice(0)) done();
  }

  /** One RTCP compound packet (RFC 3550 section 6). */
  rtcp(packet: Buffer, atMs: number): void {
    for (let at = 0; at + 4 <= packet.length; ) {
      const type = packet[at + 1]!;
      const length = (packet.readUInt16BE(at + 2) + 1) * 4;
      const part = packet.subarray(at, at + length);
      if (part.length < length) {
        this.oddities.push(`RTCP cut short: ${packet.toString("hex")}`);
        return;
      }
      if (at === 0 && type !== 200 && type !== 201) this.oddities.push(`an RTCP compound that begins with ${type}`);
      if (type === 200) {
        this.senderReports.push({
          ssrc: part.readUInt32BE(4),
          ntpSeconds: part.readUInt32BE(8) + part.readUInt32BE(12) / 2 ** 32,
          rtpTime: part.readUInt32BE(16),
          packets: part.readUInt32BE(20),
          octets: part.readUInt32BE(24),
          atMs,
        });
      } else if (type === 202 && part[8] === 1) this.names.push(part.subarray(10, 10 + part[9]!).toString("latin1"));
      else if (type === 203) this.goodbyes.push(part.readUInt32BE(4));
      at += length;
    }
  }
}

/** NAL unit types that begin in this RTP payload. */
function startingNalTypes(payload: Buffer): number[] {
  const type = (payload[0] ?? 0) & 31;
  if (type === STAP_A) {
    const types: number[] = [];
    for (let at = 1; at + 2 < payload.length; at += 2 + payload.readUInt16BE(at)) types.push(payload[at + 2]! & 31);
    return types;
  }
  if (type !== FU_A) return [type];
  return (payload[1]! & 0x80) !== 0 ? [payload[1]! & 31] : [];
}

/** The first packet of a key picture: parameter sets, or the IDR slice itself. */
function isKeyStart(nalTypes: readonly number[]): boolean {
  return nalTypes.some((type) => type === 7 || type === SLICE_IDR);
}

/** Fragment offset of an RFC 2435 payload. */
function fragmentOffset(payload: Buffer): number {
  return payload.readUIntBE(1, 3);
}

/** True when the picture holds an IDR slice. */
export function isKeyPicture(picture: Picture): boolean {
  return picture.nalTypes.includes(SLICE_IDR);
}
