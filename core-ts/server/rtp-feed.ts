/**
 * One profile's RTP stream and its fan-outs: an encoded frame becomes one plan for each form in use. Row 3.
 *
 * This is the hot path. Its cost: one plan a frame and form (UDP, or interleaved with a first channel), however many
 * readers there are; the host's cost is one write a reader.
 */
import type { FrameEvent } from "../../bindings/contract/events.ts";
import { GatherPlan } from "../bytes/gather-plan.ts";
import { type JpegInfo, parseJpegHeader } from "../media/jpeg-header.ts";
import { H264Packetizer } from "../rtp/h264-packetizer.ts";
import { JpegPacketizer } from "../rtp/jpeg-packetizer.ts";
import { RtpStream } from "../stream/rtp-stream.ts";
import { SentFrames, type SentSoFar } from "../stream/sent-frames.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, type RtpTime, seconds } from "../time/units.ts";
import type { Encoder, EncoderFormat, FrameConsumer } from "./encoder.ts";
import type { Runtime } from "./runtime.ts";

/** First channel of the UDP form, which has none. */
export const UDP = -1;

/** Channel pairs that one stream serves with plans of their own; further clients are renumbered. */
export const CHANNEL_PAIRS_MAX = 4;

/** Dynamic payload type of H.264 (RFC 3551 section 3), and JPEG's static one (section 6). */
export const H264_PAYLOAD_TYPE = 96;
export const JPEG_PAYLOAD_TYPE = 26;

/** What the first packet of a new reader will be, for RTP-Info. */
export type FirstPacket = { readonly sequence: number; readonly rtpTime: RtpTime };

/** A member of the feed. */
export interface FeedMember {
  /** Time for a sender report: right after the first frame since it joined, then after a frame every 5 s. */
  onReportDue(shared: SharedReport): void;
}

/** The one report that all who are told after the same frame send; the first of them encodes it. */
export type SharedReport = { bytes?: Int8Array };

/** Time between two sender reports; the first goes out with the first frame after PLAY. */
export const SENDER_REPORT_INTERVAL_US: Micros = seconds(5);
/** A report goes out so much early when another reader's is due: readers that joined together then share one for good. */
const SENDER_REPORT_EARLY_US: Micros = seconds(0.5);

type Fanout = { readonly handle: number; members: number };

export class RtpFeed implements FrameConsumer {
  readonly encoder: Encoder;
  readonly stream: RtpStream;
  readonly payloadType: number;
  readonly #runtime: Runtime;
  readonly #h264: H264Packetizer | undefined;
  readonly #jpeg: JpegPacketizer | undefined;
  readonly #plan = new GatherPlan();
  readonly #fanouts = new Map<number, Fanout>();
  /** Members whose first report is to come, and when the others' next ones are due, the earliest first. */
  readonly #newcomers = new Set<FeedMember>();
  readonly #reportsDueUs = new Map<FeedMember, Micros>();
  /** Members that were sent no key frame yet, with when they were asked for. */
  readonly #pictureless = new Map<FeedMember, Micros>();
  readonly #keyWaiters = new Set<KeyWaiter>();
  readonly #sent = new SentFrames();
  /** Sessions that hold a channel pair, by its first channel. */
  readonly #pairs = new Map<number, number>();
  #jpegHead = "";
  #jpegInfo: JpegInfo | undefined;

  constructor(runtime: Runtime, encoder: Encoder, maxPayload: number) {
    this.#runtime = runtime;
    this.encoder = encoder;
    this.stream = new RtpStream({
      ssrc: runtime.randomUint(4),
      timestampBase: runtime.randomUint(4),
      sequence: runtime.randomUint(2),
      clockRate: 90_000,
    });
    const jpeg = encoder.spec.codec === "jpeg";
    this.payloadType = jpeg ? JPEG_PAYLOAD_TYPE : H264_PAYLOAD_TYPE;
    const options = { ssrc: this.stream.ssrc, payloadType: this.payloadType, maxPayload };
    if (jpeg) this.#jpeg = new JpegPacketizer(options);
    else this.#h264 = new H264Packetizer(options);
    encoder.addConsumer(this);
  }

  get memberCount(): number {
    return this.#newcomers.size + this.#reportsDueUs.size;
  }

  /**
   * The pair that a client gets: the asked one while the stream serves fewer than {@link CHANNEL_PAIRS_MAX} others and
   * the connection has not given it away, else a free one that is already served, else the next free one.
   * @param taken true for a channel that the connection uses already.
   */
  choosePair(
    asked: readonly [number, number] | undefined,
    taken: (channel: number) => boolean,
  ): [number, number] | undefined {
    const free = (first: number): boolean => first + 1 <= 255 && !taken(first) && !taken(first + 1);
    if (asked !== undefined && asked[1] === asked[0] + 1 && free(asked[0]) && this.#servesPair(asked[0])) {
      return [asked[0], asked[1]];
    }
    const served = [...this.#pairs.keys()].sort((a, b) => a - b).find(free);
    if (served !== undefined) return [served, served + 1];
    for (let first = 0; first <= 254; first += 2) if (free(first)) return [first, first + 1];
    return undefined;
  }

  /** Holds a pair for a session, from SETUP to its end. */
  holdPair(first: number): void {
    this.#pairs.set(first, (this.#pairs.get(first) ?? 0) + 1);
  }

  releasePair(first: number): void {
    const holders = (this.#pairs.get(first) ?? 0) - 1;
    if (holders > 0) this.#pairs.set(first, holders);
    else this.#pairs.delete(first);
  }

  #servesPair(first: number): boolean {
    return this.#pairs.has(first) || this.#pairs.size < CHANNEL_PAIRS_MAX;
  }

  /**
   * Waits for the next key frame and asks the encoder for one.
   * @param done told once, before that frame is sent, so that whoever joins in it gets the frame; or with undefined
   *   after `waitUs`.
   */
  awaitKeyFrame(waitUs: Micros, done: (first: FirstPacket | undefined) => void): { cancel(): void } {
    const waiter: KeyWaiter = {
      done,
      timer: this.#runtime.after(waitUs, () => {
        this.#keyWaiters.delete(waiter);
        done(undefined);
      }),
    };
    this.#keyWaiters.add(waiter);
    this.encoder.requestKeyFrame();
    return {
      cancel: () => {
        waiter.timer.cancel();
        this.#keyWaiters.delete(waiter);
      },
    };
  }

  /**
   * Adds an outlet under a form; it waits for the next key frame, which may be the one being handled.
   * @param askedUs when its client asked for it.
   */
  join(member: FeedMember, outlet: number, channel: number, askedUs: Micros): void {
    let fanout = this.#fanouts.get(channel);
    if (fanout === undefined) {
      fanout = { handle: this.#runtime.host.fanoutCreate(channel === UDP ? "udp" : "interleaved"), members: 0 };
      this.#fanouts.set(channel, fanout);
    }
    fanout.members++;
    this.#runtime.host.fanoutAdd(fanout.handle, outlet);
    this.#newcomers.add(member);
    this.#pictureless.set(member, askedUs);
  }

  leave(member: FeedMember, outlet: number, channel: number): void {
    this.#pictureless.delete(member);
    if (!this.#newcomers.delete(member) && !this.#reportsDueUs.delete(member)) return;
    const fanout = this.#fanouts.get(channel);
    if (fanout === undefined) return;
    this.#runtime.host.fanoutRemove(fanout.handle, outlet);
    fanout.members--;
    if (fanout.members > 0) return;
    this.#runtime.host.fanoutClose(fanout.handle);
    this.#fanouts.delete(channel);
  }

  /** Whether a fan-out's handle is the one of this feed's form. */
  isFanout(channel: number, handle: number): boolean {
    return this.#fanouts.get(channel)?.handle === handle;
  }

  /** Packets that the frames `first` … `last` were, for what an outlet reports as skipped. */
  packetsOf(first: number, last: number): number {
    return this.#sent.packetsOf(first, last);
  }

  /** Sequence number of the last packet that the frames up to this one were; undefined when that is long ago. */
  lastSequenceOf(frame: number): number | undefined {
    return this.#sent.lastSequenceOf(frame);
  }

  /** What was sent up to a packet, by its sequence number modulo 2^16; undefined when it was not, or long ago. */
  sentUpTo(sequence: number): SentSoFar | undefined {
    return this.#sent.upTo(sequence);
  }

  onFormat(format: EncoderFormat): void {
    this.#h264?.setParameterSets(format.parameterSets);
  }

  onFrame(frame: FrameEvent): void {
    if (this.#fanouts.size === 0 && this.#keyWaiters.size === 0) return;
    const jpeg = this.#jpeg === undefined ? undefined : this.#jpegInfoOf(frame);
    if (this.#jpeg !== undefined && jpeg === undefined) return;
    if (frame.key && this.#keyWaiters.size > 0) this.#settleKeyWaiters(frame);
    if (this.#fanouts.size === 0) return;
    const rtpTime = this.stream.timestampOf(frame.timeUs);
    const { sequence } = this.stream;
    const plan = this.#plan;
    let packets = 0;
    let octets = 0;
    for (const [channel, fanout] of this.#fanouts) {
      if (jpeg !== undefined && this.#jpeg !== undefined) {
        this.#jpeg.plan(plan, frame.units, jpeg, sequence, rtpTime, channel);
        ({ packets, octets } = this.#jpeg);
      } else if (this.#h264 !== undefined) {
        this.#h264.plan(plan, frame.units, sequence, rtpTime, channel);
        ({ packets, octets } = this.#h264);
      }
      if (packets > 0) this.#runtime.host.fanoutSend(fanout.handle, frame.frame, plan.bytes, plan.length, frame.key);
    }
    this.stream.advance(packets, octets);
    const lastSequence = (this.stream.sequence + 0xffff) & 0xffff;
    this.#sent.note(frame.frame, packets, lastSequence, octets, this.#runtime.nowUs);
    if (frame.key && this.#pictureless.size > 0) this.#noteFirstPictures();
    this.#tellReportsDue();
  }

  #noteFirstPictures(): void {
    const { metrics, nowUs } = this.#runtime;
    for (const askedUs of this.#pictureless.values()) metrics.firstPictureSeconds.rtsp.observeSpan(nowUs - askedUs);
    this.#pictureless.clear();
  }

  /** Only those whose time has come are touched: with a hundred readers a call each would cost more than the plan. */
  #tellReportsDue(): void {
    const { nowUs } = this.#runtime;
    const [earliestUs = nowUs + 1] = this.#reportsDueUs.values();
    if (earliestUs > nowUs && this.#newcomers.size === 0) return;
    const shared: SharedReport = {};
    if (earliestUs <= nowUs) {
      for (const [member, dueUs] of this.#reportsDueUs) {
        if (dueUs > nowUs + SENDER_REPORT_EARLY_US) break;
        this.#report(member, shared);
      }
    }
    for (const member of this.#newcomers) this.#report(member, shared);
  }

  /** The interval is the same for all, so a member goes to the end. */
  #report(member: FeedMember, shared: SharedReport): void {
    this.#newcomers.delete(member);
    this.#reportsDueUs.delete(member);
    this.#reportsDueUs.set(member, this.#runtime.nowUs + SENDER_REPORT_INTERVAL_US);
    // It may leave, if sending fails.
    member.onReportDue(shared);
  }

  onFailed(): void {
    // Waiting readers keep their place: the encoder is reopened, or their wait runs out.
  }

  #settleKeyWaiters(frame: FrameEvent): void {
    const waiters = [...this.#keyWaiters];
    this.#keyWaiters.clear();
    const first = { sequence: this.stream.sequence, rtpTime: this.stream.timestampOf(frame.timeUs) };
    for (const waiter of waiters) {
      waiter.timer.cancel();
      waiter.done(first);
    }
  }

  /** The JPEG headers rarely change: they are parsed only when they do. Undefined: RTP can't carry this picture. */
  #jpegInfoOf(frame: FrameEvent): JpegInfo | undefined {
    const head = frame.units[0]?.head ?? "";
    if (head === this.#jpegHead) return this.#jpegInfo;
    this.#jpegHead = head;
    const parsed = parseJpegHeader(head);
    this.#jpegInfo = "reason" in parsed ? undefined : parsed;
    if ("reason" in parsed)
      this.#runtime.log("warn", `${this.encoder.label}: RTP can't carry this JPEG: ${parsed.reason}`);
    return this.#jpegInfo;
  }
}

type KeyWaiter = { readonly done: (first: FirstPacket | undefined) => void; readonly timer: Timer };
