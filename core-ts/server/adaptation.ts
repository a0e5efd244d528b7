/**
 * Makes one encoder's stream follow its viewers' networks: looks at their outlets, hears their receiver reports, and moves
 * the encoder's aim. Row 3. The rules are those of ../bitrate; docs/adaptation.md tells them.
 *
 *     outlets, every 0.1 to 0.5 s ─▶ OutletWatch ─╮
 *                                                 ├─▶ ViewerRate, one a viewer ─▶ EncoderRate ─▶ Encoder.setAim
 *     receiver reports ───────────▶ ReportWatch ──╯
 *
 * It is no part of the hot path: nothing here runs once a frame.
 */
import { Code, type OutletStats } from "../../bindings/contract/host.ts";
import { EncoderRate } from "../bitrate/encoder-rate.ts";
import { type OutletState, OutletWatch } from "../bitrate/outlet-watch.ts";
import { chooseStep, type PictureStep, pictureSteps } from "../bitrate/picture-ladder.ts";
import { HEAVY_LOSS, type ReportedAge, ReportWatch } from "../bitrate/report-watch.ts";
import type { LossReport } from "../bitrate/reported-loss.ts";
import { ViewerRate } from "../bitrate/viewer-rate.ts";
import type { AdaptSettings } from "../config/profiles.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type BitsPerSecond, type Micros, millis, seconds } from "../time/units.ts";
import type { Encoder } from "./encoder.ts";
import type { Runtime } from "./runtime.ts";

/** Between two rounds of looks. */
export const ROUND_US: Micros = millis(100);
/** While a viewer's rate is less than whole it is sent sender reports so often: they measure the round trip. */
export const REPORT_WHEN_REDUCED_US: Micros = seconds(1);
/** A viewer that was skipped asks for a key frame at most so often. */
export const KEY_AFTER_SKIP_US: Micros = seconds(5);
/** One whose network loses much asks at most so often. */
export const KEY_AFTER_LOSS_US: Micros = seconds(2);
/** The event tells of a change of the rate by this share, at most so often. */
export const TOLD_SHARE = 0.2;
export const TOLD_SPACING_US: Micros = seconds(10);
/** Between two looks at what the operator wants, and at what JPEG pictures weigh. */
const CEILING_READ_US: Micros = millis(500);
/** Figures of the encoder's output are of the present aim this long after it was set. */
const OUTPUT_SETTLED_US: Micros = seconds(2.5);

/** A viewer as adaptation sees it. */
export interface AdaptedViewer {
  /** Its number in the status. */
  readonly viewerId: number;
  readonly transportKind: "udp" | "tcp";
  /** True: its outlet keeps the newest picture only, so that now and then one is left out by rights. */
  readonly latestOnly: boolean;
  /** Of its outlet, now; undefined when that is gone. */
  outletStats(): OutletStats | undefined;
  /** Sends it a sender report, beside those that are due anyway. */
  sendReport(): void;
}

/** What is known beside a report. */
export type ReportContext = {
  readonly packetBytes: number;
  readonly jitterUs: Micros;
  readonly roundTripUs: Micros | undefined;
  readonly age: ReportedAge | undefined;
};

type Why = "loss" | "round-trip" | "age" | "skipped" | "stalled";

type Entry = {
  readonly viewer: AdaptedViewer;
  readonly watch: OutletWatch;
  readonly reports: ReportWatch;
  readonly rate: ViewerRate;
  nextLookUs: Micros;
  stalled: boolean;
  /** Why its rate is below the ceiling. */
  why: Why | undefined;
  keyAskedUs: Micros;
  reportSentUs: Micros;
  /** Over TCP: its last round trip shows a queue. */
  queueSeen: boolean;
  /** Its picture is broken by loss, and a key frame would have been lost too. */
  broken: boolean;
};

/** What a viewer's network is taken to bear. */
export type LinkFigures = {
  readonly bitrate: BitsPerSecond;
  /** It is skipped to key frames, and the others are not slowed down for it. */
  readonly belowFloor: boolean;
  /** What was wrong with it last; null when it bears the whole rate. */
  readonly reason: Why | null;
};

/** For status and metrics. */
export type AdaptationFigures = {
  readonly enabled: boolean;
  readonly state: "off" | "unable" | "full" | "reduced";
  readonly targetBitrate: BitsPerSecond | null;
  readonly floorBitrate: BitsPerSecond | null;
  readonly ceilingBitrate: BitsPerSecond | null;
  readonly quality: number | null;
  readonly fps: number | null;
  /** The viewer that leads, and what is wrong with its link. */
  readonly leader: number | null;
  readonly reason: Why | null;
  readonly belowFloor: number;
};

export class Adaptation {
  readonly encoder: Encoder;
  readonly #runtime: Runtime;
  readonly #settings: AdaptSettings;
  readonly #entries = new Map<AdaptedViewer, Entry>();
  readonly #rate: EncoderRate;
  #steps: readonly PictureStep[] = [];
  #step = 0;
  #stepUs: Micros = 0;
  #timer: Timer | undefined;
  /** When the round that {@link #timer} stands for is due. */
  #roundUs: Micros = 0;
  /** The host can't change this encoder's rate. */
  #unable = false;
  #toldRate: BitsPerSecond | undefined;
  #toldUs: Micros = Number.NEGATIVE_INFINITY;
  /** Something of a viewer is not what the target was made of. */
  #changed = true;
  #ceilingReadUs: Micros = Number.NEGATIVE_INFINITY;
  #changes = { down: 0, up: 0 };

  constructor(runtime: Runtime, encoder: Encoder, settings: AdaptSettings) {
    this.#runtime = runtime;
    this.encoder = encoder;
    this.#settings = settings;
    const isJpeg = encoder.spec.codec === "jpeg";
    this.#rate = new EncoderRate(isJpeg ? 0 : settings.minBitrate, isJpeg ? 0 : (encoder.spec.bitrate ?? 0));
  }

  /** Changes of the aim since the start. */
  get changes(): { readonly down: number; readonly up: number } {
    return this.#changes;
  }

  join(viewer: AdaptedViewer): void {
    if (!this.#settings.enabled) return;
    const { nowUs } = this.#runtime;
    this.#entries.set(viewer, {
      viewer,
      watch: new OutletWatch({ latestOnly: viewer.latestOnly }),
      reports: new ReportWatch(),
      rate: new ViewerRate(this.#rate.ceiling),
      // Spread over the rounds, whoever joined together.
      nextLookUs: nowUs + ROUND_US * (1 + (viewer.viewerId % 5)),
      stalled: false,
      why: undefined,
      reportSentUs: nowUs,
      keyAskedUs: Number.NEGATIVE_INFINITY,
      queueSeen: false,
      broken: false,
    });
    this.#changed = true;
    if (this.#timer?.waiting !== true) this.#arm(nowUs + ROUND_US);
  }

  leave(viewer: AdaptedViewer): void {
    this.#changed = true;
    if (!this.#entries.delete(viewer) || this.#entries.size > 0) return;
    this.#timer?.cancel();
    this.#rate.reset();
    this.#step = 0;
    this.encoder.setAim({});
    this.#toldRate = undefined;
  }

  /**
   * A viewer's receiver report.
   * @param packetBytes mean payload of the stream's packets.
   * @param jitterUs interarrival jitter.
   * @param roundTripUs measured with this report; undefined without.
   * @param age of the packets that it tells of; undefined when that can't be told.
   */
  onReport(
    viewer: AdaptedViewer,
    report: LossReport,
    { packetBytes, jitterUs, roundTripUs, age }: ReportContext,
  ): void {
    const entry = this.#entries.get(viewer);
    if (entry === undefined) return;
    const { nowUs } = this.#runtime;
    const sent = this.#rate.target;
    const isTcp = viewer.transportKind === "tcp";
    const judgement = isTcp
      ? entry.reports.judgeRoundTrip(nowUs, sent, roundTripUs)
      : entry.reports.judge(report, sent, packetBytes, jitterUs, age);
    if (isTcp && judgement.kind === "full" && entry.rate.isHolding(nowUs)) {
      // It was measured while the queue drained that the rate has just been lowered for.
      entry.rate.unsure(nowUs);
    } else if (judgement.kind === "full") {
      if (entry.rate.full(nowUs, sent, judgement.capacity)) entry.why = judgement.why;
    } else if (isTcp) entry.queueSeen = judgement.kind === "unsure" && roundTripUs !== undefined;
    else if (judgement.kind === "clear") entry.rate.clear(nowUs, sent);
    else entry.rate.unsure(nowUs);
    if (!isTcp) this.#repair(entry, report, judgement.kind === "full" && judgement.why === "loss");
    this.#changed = true;
    this.#update();
  }

  figures(): AdaptationFigures {
    const { spec } = this.encoder;
    const isJpeg = spec.codec === "jpeg";
    const leading = [...this.#entries.values()].find(({ viewer }) => viewer.viewerId === this.#rate.leader);
    const step = this.#steps[this.#step];
    const reduced = isJpeg ? this.#step > 0 : this.#rate.target < this.#rate.ceiling;
    const known = (rate: BitsPerSecond): BitsPerSecond | null => (rate > 0 ? Math.round(rate) : null);
    return {
      enabled: this.#settings.enabled,
      state: !this.#settings.enabled ? "off" : this.#unable ? "unable" : reduced ? "reduced" : "full",
      targetBitrate: known(this.#rate.target),
      floorBitrate: known(this.#rate.floor),
      ceilingBitrate: known(this.#rate.ceiling),
      quality: isJpeg ? (step?.quality ?? spec.quality ?? null) : null,
      fps: isJpeg ? (step?.fps ?? spec.fps) : null,
      leader: reduced ? (leading?.viewer.viewerId ?? null) : null,
      reason: reduced ? (leading?.why ?? null) : null,
      belowFloor: this.#rate.belowCount,
    };
  }

  /** For the status; null when this viewer isn't looked at. */
  linkOf(viewer: AdaptedViewer): LinkFigures | null {
    const entry = this.#entries.get(viewer);
    if (entry === undefined) return null;
    const { rate } = entry.rate;
    return {
      bitrate: Math.round(rate),
      belowFloor: this.#rate.isBelow(viewer.viewerId),
      reason: entry.stalled ? "stalled" : rate < this.#rate.ceiling ? (entry.why ?? null) : null,
    };
  }

  #arm(roundUs: Micros): void {
    this.#roundUs = roundUs;
    this.#timer = this.#runtime.around(roundUs - this.#runtime.nowUs, () => this.#round());
  }

  #round(): void {
    if (this.#entries.size === 0) return;
    const { nowUs } = this.#runtime;
    // Rounds wait for frames, and yet there are as many.
    this.#arm(Math.max(this.#roundUs + ROUND_US, nowUs + ROUND_US / 2));
    const untilUs = nowUs + ROUND_US / 2;
    for (const entry of this.#entries.values()) if (entry.nextLookUs <= untilUs) this.#look(entry, nowUs);
    if (nowUs >= this.#ceilingReadUs + CEILING_READ_US) this.#readCeiling(nowUs);
    if (this.#changed || this.#rate.target < this.#rate.ceiling) this.#update();
  }

  #look(entry: Entry, nowUs: Micros): void {
    const stats = entry.viewer.outletStats();
    if (stats === undefined) return;
    const state = entry.watch.look({
      nowUs,
      ageUs: stats.queuedBytes === 0 ? 0 : Math.max(1, stats.ageUs - this.encoder.frameAgeUs),
      sentBytes: stats.sentBytes,
      skippedUnits: stats.skippedUnits,
    });
    const rateBefore = entry.rate.rate;
    const stalled = state.kind === "stalled";
    this.#take(entry, state, nowUs);
    const isReduced = entry.rate.rate < this.#rate.ceiling;
    if (stalled !== entry.stalled || rateBefore !== entry.rate.rate) this.#changed = true;
    entry.stalled = stalled;
    entry.nextLookUs = entry.watch.nextLookUs(nowUs, isReduced);
    if (!isReduced || nowUs - entry.reportSentUs < REPORT_WHEN_REDUCED_US) return;
    entry.reportSentUs = nowUs;
    entry.viewer.sendReport();
  }

  #take(entry: Entry, state: OutletState, nowUs: Micros): void {
    const sent = this.#rate.target;
    switch (state.kind) {
      case "behind":
        if (entry.rate.full(nowUs, sent, state.capacity)) entry.why = state.skipped ? "skipped" : "age";
        break;
      case "clear":
        // Datagrams leave at once, wherever they are lost: of these only reports tell.
        if (entry.viewer.transportKind === "udp") break;
        if (entry.queueSeen) entry.rate.unsure(nowUs);
        else entry.rate.clear(nowUs, sent);
        break;
      case "waiting-for-key":
        entry.rate.unsure(nowUs);
        if (!this.#rate.isBelow(entry.viewer.viewerId)) this.#askForKey(entry, KEY_AFTER_SKIP_US);
        break;
      default:
        entry.rate.unsure(nowUs);
    }
  }

  /** A picture that lost packets is broken until the next key frame (RFC 4585 section 1 says no more of those who can't ask). */
  #repair(entry: Entry, report: LossReport, isFull: boolean): void {
    const loss = report.sent === 0 ? 0 : report.lost / report.sent;
    if (isFull || loss > entry.reports.usualLoss + 0.1) entry.broken = true;
    if (!entry.broken || loss > HEAVY_LOSS) return;
    if (this.#askForKey(entry, KEY_AFTER_LOSS_US)) entry.broken = false;
  }

  #askForKey(entry: Entry, spacingUs: Micros): boolean {
    const { nowUs } = this.#runtime;
    if (nowUs - entry.keyAskedUs < spacingUs) return false;
    entry.keyAskedUs = nowUs;
    this.encoder.requestKeyFrame();
    return true;
  }

  #update(): void {
    const { nowUs } = this.#runtime;
    this.#changed = false;
    const viewers = [...this.#entries.values()].map(({ viewer, rate, stalled }) => ({
      id: viewer.viewerId,
      rate: rate.rate,
      stalled,
    }));
    if (this.#rate.ceiling > 0 && this.#rate.update(nowUs, viewers)) this.#apply(nowUs);
    this.#tell(nowUs);
  }

  /** The operator's rate, which commands change; of JPEG what the best pictures would take. */
  #readCeiling(nowUs: Micros): void {
    this.#ceilingReadUs = nowUs;
    const { spec } = this.encoder;
    let ceiling = spec.bitrate ?? 0;
    if (spec.codec === "jpeg") {
      const best = { quality: spec.quality ?? 80, fps: spec.fps };
      const first = this.#steps[0];
      if (first?.quality !== best.quality || first.fps !== best.fps) {
        const { minQuality, minFps } = this.#settings;
        this.#steps = pictureSteps(best, { quality: minQuality, fps: minFps });
        this.#step = Math.min(this.#step, this.#steps.length - 1);
        this.#stepUs = nowUs;
      }
      if (nowUs - this.#stepUs < OUTPUT_SETTLED_US && this.#rate.ceiling > 0) return;
      const measured = this.encoder.figures(nowUs).bitrate;
      if (measured === 0) return;
      ceiling = measured / this.#steps[this.#step]!.share;
      // It is measured, and pictures differ: small differences are none.
      if (Math.abs(ceiling - this.#rate.ceiling) < 0.1 * this.#rate.ceiling) return;
      this.#rate.setFloor(ceiling * this.#steps.at(-1)!.share);
    }
    if (ceiling === this.#rate.ceiling) return;
    this.#rate.setCeiling(ceiling);
    for (const { rate } of this.#entries.values()) rate.ceiling = ceiling;
    if (spec.codec === "h264") this.#apply(nowUs);
  }

  #apply(nowUs: Micros): void {
    const { target, ceiling } = this.#rate;
    const { aim, spec } = this.encoder;
    if (spec.codec === "jpeg") {
      const step = chooseStep(this.#steps, target / ceiling, this.#step);
      if (step === this.#step) return;
      const { quality, fps } = this.#steps[step]!;
      const next = step === 0 ? {} : { quality, ...(fps < spec.fps ? { fps } : {}) };
      if (!this.#setAim(next, step > this.#step)) return;
      this.#step = step;
      this.#stepUs = nowUs;
      return;
    }
    this.#setAim(target >= ceiling ? {} : { bitrate: Math.round(target) }, target < (aim.bitrate ?? ceiling));
  }

  #setAim(aim: Parameters<Encoder["setAim"]>[0], isDown: boolean): boolean {
    const result = this.encoder.setAim(aim);
    this.#unable = result === Code.UNSUPPORTED;
    if (result < 0) return false;
    if (isDown) this.#changes.down++;
    else this.#changes.up++;
    const { label } = this.encoder;
    const figures = this.figures();
    this.#runtime.log(
      "debug",
      `encoder=${label} adapted bitrate=${figures.targetBitrate} leader=${figures.leader} reason=${figures.reason}`,
    );
    return true;
  }

  /** The event, when the rate has changed much since it was last told, or is whole again. */
  #tell(nowUs: Micros): void {
    if (this.#unable || this.#rate.ceiling === 0 || nowUs - this.#toldUs < TOLD_SPACING_US) return;
    const { target, ceiling } = this.#rate;
    const told = this.#toldRate ?? ceiling;
    const isWhole = target === ceiling && told < ceiling;
    if (!isWhole && Math.abs(target - told) <= TOLD_SHARE * told) return;
    this.#toldRate = target;
    this.#toldUs = nowUs;
    const { targetBitrate, quality, fps, leader, reason } = this.figures();
    this.#runtime.events.emit("stream.adapted", {
      encoder: this.encoder.label,
      bitrate: targetBitrate ?? 0,
      full: Math.round(ceiling),
      quality,
      fps,
      client: leader,
      reason,
    });
  }
}
