/**
 * One RTSP session (RFC 2326 appendix A): a stream set up for one client, playing or not. Row 3.
 *
 *     ready ──play──▶ playing ──pause──▶ ready          any ──end──▶ ended
 *
 * The session owns what it sends through (a UDP pair, or channels of its connection), its membership in the feed, and its
 * reports. Who may ask for what is the connection's business.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import type { OutletStats } from "../../bindings/contract/host.ts";
import { ReportedLoss } from "../bitrate/reported-loss.ts";
import { decodeCompound, type RtcpPacket } from "../rtcp/compound.ts";
import type { FullIntraRequest, PictureLoss } from "../rtcp/feedback.ts";
import { type ReportBlock, roundTripUs } from "../rtcp/receiver-report.ts";
import type { SentSoFar } from "../stream/sent-frames.ts";
import { ntpFromWall, ntpMiddle } from "../time/ntp.ts";
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";
import type { AdaptedViewer } from "./adaptation.ts";
import type { Way } from "./metrics.ts";
import type { StreamProfile } from "./profiles.ts";
import { type FirstPacket, type SharedReport, UDP } from "./rtp-feed.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";
import { goodbyeReport, senderReport } from "./sender-reports.ts";
import { STALL_LOOK_US, StallWatch } from "./stall-watch.ts";
import type { UdpPair } from "./udp-pair.ts";
import type { Viewer, ViewerFigures, Viewers } from "./viewers.ts";

/** Longest that PLAY waits for a key frame, so that its reply can name the first packet. */
export const FIRST_PICTURE_WAIT_US: Micros = 500_000;

/** Least time between two log lines on one reader's slowness. */
export const SKIP_LOG_INTERVAL_US: Micros = seconds(10);

/** Bounds of an RTP outlet: 2 s of the stream, within these; and the greatest age. */
export const OUTLET_LEAST_BYTES = 512 * 1024;
export const OUTLET_MOST_BYTES = 8 * 1024 * 1024;
export const OUTLET_AGE_MS = 500;
/** The most that hosts take, for pictures that are a second apart or more. */
const PACE_MAX_US: Micros = seconds(1);

/** The connection's side of an interleaved session: it lends its outlet and takes control bytes. */
export interface InterleavedCarrier {
  readonly isTls: boolean;
  /** Opens the connection's outlet for its first playing session; 0 when it can't be had. */
  acquireOutlet(maxBytes: number): number;
  releaseOutlet(): void;
  sendControl(bytes: Int8Array): void;
  /**
   * The session is over for a reason that isn't the client's wish: it is told by closing the connection.
   * @param afterFlush false: the client takes nothing, so there is nothing to wait for.
   */
  onSessionEnded(afterFlush: boolean): void;
}

export type SessionTransport =
  | { readonly kind: "udp"; readonly pair: UdpPair }
  | { readonly kind: "tcp"; readonly carrier: InterleavedCarrier; readonly channels: readonly [number, number] };

export type SessionOptions = {
  readonly id: string;
  readonly peerAddress: string;
  readonly user: string | undefined;
  readonly userAgent: string | undefined;
  readonly timeoutUs: Micros;
  /** Percent of a frame's time over which a large picture's packets are spread over UDP. */
  readonly udpPacing: number;
};

export class RtspSession implements HandleOwner, Viewer, AdaptedViewer {
  readonly protocol = "rtsp";
  readonly latestOnly = false;
  readonly id: string;
  readonly profile: StreamProfile;
  readonly peerAddress: string;
  readonly user: string | undefined;
  readonly #userAgent: string | undefined;
  readonly #runtime: Runtime;
  readonly #viewers: Viewers;
  readonly #viewerId: number;
  readonly #timeoutUs: Micros;
  readonly #udpPacing: number;
  readonly #startedUs: Micros;
  readonly #onEnd: (session: RtspSession) => void;
  #transport: SessionTransport;
  #state: "ready" | "starting" | "playing" | "ended" = "ready";
  #outlet = 0;
  #stallWatch = new StallWatch();
  #nextStallLookUs: Micros = 0;
  #wait: { cancel(): void } | undefined;
  #startReply: ((first: "ended" | "paused") => void) | undefined;
  #lastSeenUs: Micros;
  /** When PLAY came. */
  #askedUs: Micros = 0;
  #skippedFrames = 0;
  readonly #loss = new ReportedLoss();
  #nextSkipLogUs: Micros = 0;
  #lastStats: OutletStats | undefined;
  #lastBlock: ReportBlock | undefined;
  #roundTripUs: Micros | undefined;
  /** Number of its last full intra request. */
  #intraRequest = -1;
  /** The sender report that the last round trip was measured with. */
  #measuredReport = 0;
  /** What was sent up to the newest packet of the last report. */
  #reported: SentSoFar | undefined;

  constructor(
    runtime: Runtime,
    viewers: Viewers,
    profile: StreamProfile,
    transport: SessionTransport,
    options: SessionOptions,
    onEnd: (session: RtspSession) => void,
  ) {
    this.#runtime = runtime;
    this.#viewers = viewers;
    this.profile = profile;
    this.#transport = transport;
    this.id = options.id;
    this.peerAddress = options.peerAddress;
    this.user = options.user;
    this.#userAgent = options.userAgent;
    this.#timeoutUs = options.timeoutUs;
    this.#udpPacing = options.udpPacing;
    this.#onEnd = onEnd;
    this.#startedUs = runtime.nowUs;
    this.#lastSeenUs = runtime.nowUs;
    this.#viewerId = viewers.add(this);
    runtime.events.emit("client.connected", this.#identity());
    this.#holdChannels();
  }

  get state(): "ready" | "starting" | "playing" | "ended" {
    return this.#state;
  }

  get transport(): SessionTransport {
    return this.#transport;
  }

  /** Any request or RTCP of the client's keeps the session alive. */
  touch(): void {
    this.#lastSeenUs = this.#runtime.nowUs;
  }

  /** A SETUP of a session that isn't playing replaces its transport. */
  replaceTransport(transport: SessionTransport): void {
    this.#closeTransport();
    this.#transport = transport;
    this.#holdChannels();
  }

  /**
   * Starts sending with the next key frame.
   * @param reply called once, before the first packet: with what that will be, undefined when none came in time,
   *   `failed` when the encoder can't be had (the session stays ready), or `ended` or `paused` when another connection
   *   asked for that meanwhile.
   */
  play(reply: (first: FirstPacket | undefined | "failed" | "ended" | "paused") => void): void {
    const { encoder } = this.profile;
    encoder.acquire();
    if (encoder.state === "failed") {
      reply("failed");
      encoder.release();
      return;
    }
    this.#state = "starting";
    this.#askedUs = this.#runtime.nowUs;
    this.#startReply = reply;
    this.#wait = this.profile.feed.awaitKeyFrame(FIRST_PICTURE_WAIT_US, (first) => {
      this.#wait = undefined;
      this.#startReply = undefined;
      reply(first);
      // The reply may have failed and ended the session.
      if (this.#state === "starting") this.#join();
    });
  }

  /** Stops sending; the session stays. A paused session is no viewer of the camera. */
  pause(): void {
    this.#leave();
    if (this.#state !== "ended") this.#state = "ready";
    const startReply = this.#startReply;
    this.#startReply = undefined;
    startReply?.("paused");
  }

  /** @param goodbye true: the client is sent an RTCP BYE, for an end that it did not ask for. */
  end(why: string, goodbye: boolean): void {
    if (this.#state === "ended") return;
    if (goodbye && this.#state === "playing") this.#sendRtcp(goodbyeReport(this.#runtime, this.profile));
    this.#leave();
    this.#state = "ended";
    this.#closeTransport();
    this.#viewers.remove(this.#viewerId);
    const seconds = Math.floor((this.#runtime.nowUs - this.#startedUs) / MICROS_PER_SECOND);
    this.#runtime.events.emit("client.left", { ...this.#identity(), reason: why, seconds });
    this.#onEnd(this);
    const startReply = this.#startReply;
    this.#startReply = undefined;
    startReply?.("ended");
    this.#runtime.log("info", `session=${this.#viewerId} ended path=${this.profile.path} reason=${why}`);
  }

  /** Ends the session when it has expired or stalled. Called about once a second. */
  checkLife(): void {
    const nowUs = this.#runtime.nowUs;
    if (this.#state === "playing" && this.#transport.kind === "tcp") {
      // Over TCP a playing session lives as long as the socket and its writes: VLC and others send no keep-alive there.
      if (nowUs < this.#nextStallLookUs) return;
      this.#nextStallLookUs = nowUs + STALL_LOOK_US;
      const stats = this.#stats();
      if (stats !== undefined && this.#stallWatch.stalled(stats, nowUs)) {
        const stalledFor = Math.round(this.#stallWatch.waitingUs(nowUs) / MICROS_PER_SECOND);
        this.#runtime.events.emit("client.stalled", { ...this.#identity(), seconds: stalledFor });
        this.#endWithConnection("the client takes no data", false);
      }
      return;
    }
    if (nowUs - this.#lastSeenUs > this.#timeoutUs) this.end("timeout", true);
  }

  /** Something that ends both: the stream is gone, or the client stalls on the socket that control uses too. */
  endByServer(why: string): void {
    if (this.#transport.kind === "tcp") this.#endWithConnection(why, true);
    else this.end(why, true);
  }

  #endWithConnection(why: string, afterFlush: boolean): void {
    const transport = this.#transport;
    this.end(why, afterFlush);
    if (transport.kind === "tcp") transport.carrier.onSessionEnded(afterFlush);
  }

  /** RTCP of this session's receiver, from its UDP pair or its channel. */
  onRtcp(data: string): void {
    let packets: readonly RtcpPacket[];
    try {
      packets = decodeCompound(data);
    } catch {
      return; // Anybody can send rubbish; it isn't worth a log line.
    }
    this.touch();
    for (const packet of packets) {
      if (packet.type === "receiver-report" || packet.type === "sender-report") {
        for (const block of packet.blocks) if (block.ssrc === this.profile.feed.stream.ssrc) this.#onReport(block);
      } else if (packet.type === "picture-loss" || packet.type === "full-intra-request") {
        if (this.#asksForKey(packet)) this.profile.encoder.requestKeyFrame();
      }
    }
  }

  /** Whether it is our stream that is to be repaired, and a request that was not heard before (RFC 5104 section 4.3.1.1). */
  #asksForKey(packet: PictureLoss | FullIntraRequest): boolean {
    const { ssrc } = this.profile.feed.stream;
    if (packet.type === "picture-loss") return packet.mediaSsrc === ssrc;
    const request = packet.requests.find(({ mediaSsrc }) => mediaSsrc === ssrc);
    if (request === undefined || request.sequence === this.#intraRequest) return false;
    this.#intraRequest = request.sequence;
    return true;
  }

  /** Of the UDP pair: the peer's port is closed. */
  onRefused(): void {
    this.end("the client's RTP port is closed", false);
  }

  /** Of its UDP outlet, or passed on by the connection that carries it: what the outlet skipped. */
  onEvent(event: HostEvent): void {
    if (event.type !== "skipped" || !this.profile.feed.isFanout(this.#channel, event.fanout)) return;
    this.#skippedFrames += event.frames;
    this.#runtime.metrics.noteSkipped(this.#way, event.frames);
    const { feed } = this.profile;
    const sequence = feed.lastSequenceOf(event.last);
    if (sequence !== undefined) this.#loss.skipped(sequence, feed.packetsOf(event.first, event.last));
    // While a reader is behind, every frame is reported.
    if (this.#runtime.nowUs < this.#nextSkipLogUs) return;
    this.#nextSkipLogUs = this.#runtime.nowUs + SKIP_LOG_INTERVAL_US;
    this.#runtime.log("info", `session=${this.#viewerId} too slow: skipped=${this.#skippedFrames} frames so far`);
  }

  get viewerId(): number {
    return this.#viewerId;
  }

  get transportKind(): "udp" | "tcp" {
    return this.#transport.kind;
  }

  outletStats(): OutletStats | undefined {
    const text = this.#outlet === 0 ? "" : this.#runtime.host.outletStats(this.#outlet);
    return text === "" ? undefined : (JSON.parse(text) as OutletStats);
  }

  sendReport(): void {
    if (this.#state === "playing") this.#sendRtcp(senderReport(this.#runtime, this.profile));
  }

  /** Of the feed, right after a frame. */
  onReportDue(shared: SharedReport): void {
    shared.bytes ??= senderReport(this.#runtime, this.profile);
    this.#sendRtcp(shared.bytes);
  }

  figures(nowUs: Micros): ViewerFigures {
    const stats = this.#stats();
    const block = this.#lastBlock;
    return {
      id: this.#viewerId,
      protocol: "rtsp",
      path: this.profile.path,
      address: this.peerAddress,
      user: this.user ?? null,
      userAgent: this.#userAgent ?? null,
      transport: this.#way.transport,
      state: this.#state === "playing" ? "playing" : "ready",
      sinceUs: this.#startedUs,
      seconds: Math.floor((nowUs - this.#startedUs) / 1_000_000),
      sentBytes: stats?.sentBytes ?? 0,
      sentFrames: stats?.sentUnits ?? 0,
      skippedFrames: this.#skippedFrames,
      stalledSeconds: Math.floor(this.#stallWatch.waitingUs(nowUs) / MICROS_PER_SECOND),
      loss:
        block === undefined
          ? null
          : {
              fraction: Math.round(this.#loss.fraction * 1000) / 1000,
              packets: this.#loss.lostPackets,
              jitterMs: Math.round((block.jitter / 90) * 10) / 10,
            },
      link: this.profile.adaptation.linkOf(this),
      roundTripMs: this.#roundTripUs === undefined ? null : Math.round(this.#roundTripUs * 0.01) / 10,
    };
  }

  #identity() {
    const { peerAddress: address, user = null } = this;
    return { client: this.#viewerId, path: this.profile.path, address, user };
  }

  get #way(): Way {
    const { kind } = this.#transport;
    const transport = this.#transport.kind === "tcp" && this.#transport.carrier.isTls ? "tls" : kind;
    return { path: this.profile.path, protocol: "rtsp", transport };
  }

  #stats(): OutletStats | undefined {
    if (this.#outlet !== 0) {
      const text = this.#runtime.host.outletStats(this.#outlet);
      if (text !== "") {
        this.#lastStats = JSON.parse(text) as OutletStats;
        this.#runtime.metrics.noteOutlet(this.#outlet, this.#way, this.#lastStats);
      }
    }
    return this.#lastStats;
  }

  #onReport(block: ReportBlock): void {
    this.#lastBlock = block;
    const { nowUs, wallUs } = this.#runtime.clock();
    const roundTrip = roundTripUs(block, ntpMiddle(ntpFromWall(this.profile.wallClock.wallOf(nowUs, wallUs))));
    if (roundTrip !== undefined) this.#roundTripUs = roundTrip;
    // Until the next sender report has come, reports repeat the way of the one before it.
    const isNew = block.lastSenderReport !== this.#measuredReport;
    this.#measuredReport = block.lastSenderReport;
    const report = this.#loss.report(block, nowUs);
    if (report === undefined) return;
    const { feed } = this.profile;
    const reported = feed.sentUpTo(block.extendedHighestSequence & 0xffff);
    const before = this.#reported;
    if (reported !== undefined) this.#reported = reported;
    this.profile.adaptation.onReport(this, report, {
      packetBytes: meanPacketBytes(before, reported ?? before),
      jitterUs: Math.round((block.jitter * MICROS_PER_SECOND) / feed.stream.clockRate),
      roundTripUs: isNew ? roundTrip : undefined,
      age:
        reported === undefined || this.#loss.hasGapsAhead
          ? undefined
          : {
              arrivedUs: nowUs - reported.sentUs,
              waitingUs: reported.nextUs === undefined ? 0 : nowUs - reported.nextUs,
            },
    });
  }

  #join(): void {
    const outlet = this.#openOutlet();
    if (outlet <= 0) return this.end("no outlet for its transport", false);
    this.#outlet = outlet;
    this.#stallWatch = new StallWatch();
    this.#state = "playing";
    this.touch();
    if (this.#transport.kind === "udp") this.#runtime.own(outlet, this);
    this.#loss.joined(this.profile.feed.stream.sequence, this.#runtime.nowUs);
    this.profile.feed.join(this, outlet, this.#channel, this.#askedUs);
    this.profile.adaptation.join(this);
  }

  get #channel(): number {
    return this.#transport.kind === "udp" ? UDP : this.#transport.channels[0];
  }

  #openOutlet(): number {
    const twoSeconds = (this.profile.nominalBitrate / 8) * 2;
    const maxBytes = Math.round(Math.min(OUTLET_MOST_BYTES, Math.max(OUTLET_LEAST_BYTES, twoSeconds)));
    if (this.#transport.kind === "tcp") return this.#transport.carrier.acquireOutlet(maxBytes);
    return this.#runtime.host.outletOpen(
      JSON.stringify({
        udp: this.#transport.pair.rtpSocket,
        maxBytes,
        maxAgeMs: OUTLET_AGE_MS,
        overflow: "skip-to-key",
        ...(this.#udpPacing > 0 ? { paceUs: this.#paceUs() } : {}),
      }),
    );
  }

  #paceUs(): Micros {
    const frameUs = MICROS_PER_SECOND / this.profile.encoder.spec.fps;
    return Math.min(PACE_MAX_US, Math.round(this.#udpPacing * 0.01 * frameUs));
  }

  #leave(): void {
    this.#wait?.cancel();
    this.#wait = undefined;
    if (this.#state === "starting" || this.#state === "playing") this.profile.encoder.release();
    this.profile.adaptation.leave(this);
    if (this.#outlet === 0) return;
    this.#stats();
    this.profile.feed.leave(this, this.#outlet, this.#channel);
    if (this.#transport.kind === "tcp") this.#transport.carrier.releaseOutlet();
    else {
      this.#runtime.disown(this.#outlet);
      this.#runtime.host.outletClose(this.#outlet);
      this.#runtime.metrics.forgetOutlet(this.#outlet);
    }
    this.#outlet = 0;
  }

  #holdChannels(): void {
    if (this.#transport.kind === "tcp") this.profile.feed.holdPair(this.#transport.channels[0]);
  }

  #closeTransport(): void {
    if (this.#transport.kind === "udp") this.#transport.pair.close();
    else this.profile.feed.releasePair(this.#transport.channels[0]);
  }

  #sendRtcp(report: Int8Array): void {
    if (this.#transport.kind === "udp") {
      this.#transport.pair.sendRtcp(report);
      return;
    }
    const framed = new Int8Array(report.length + 4);
    framed[0] = 0x24; // "$" (RFC 2326 section 10.12)
    framed[1] = this.#transport.channels[1];
    framed[2] = report.length >> 8;
    framed[3] = report.length;
    framed.set(report, 4);
    this.#transport.carrier.sendControl(framed);
  }
}

/** Mean payload of the packets between two moments, or of all up to the second; 0 when nothing is known. */
function meanPacketBytes(before: SentSoFar | undefined, now: SentSoFar | undefined): number {
  if (now === undefined) return 0;
  const from = before === undefined || before.packets >= now.packets ? { packets: 0, octets: 0 } : before;
  const packets = now.packets - from.packets;
  return packets === 0 ? 0 : (now.octets - from.octets) / packets;
}
