/**
 * What is counted for `/metrics`. Row 3.
 *
 * Plain numbers: counting allocates nothing, and nothing is made text before somebody asks (metrics-text.ts). Counters run
 * from the start of the server and never go back, whoever leaves.
 */
import type { OutletStats } from "../../bindings/contract/host.ts";
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import type { ServerEvent, ServerEventType } from "./server-events.ts";

/** Every so many turns one is timed: asking the host for the time costs a tenth of a turn. */
export const TURNS_A_SAMPLE = 8;

/** Upper bounds of the buckets in seconds, inclusive. */
export const TURN_BOUNDS = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];
export const FRAME_AGE_BOUNDS = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
export const FIRST_PICTURE_BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How values are spread. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Values up to each bound and above the one before it; the last are above all of them. */
  readonly counts: number[];
  /** Of all values. */
  sum = 0;

  /** @param bounds rising. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.counts[at]! += 1;
    this.sum += value;
  }

  /** A span of time, in seconds; a negative one (a clock that was mapped badly) counts as none. */
  observeSpan(us: Micros): void {
    this.observe(Math.max(0, us) / MICROS_PER_SECOND);
  }
}

/** One way by which viewers get a profile. */
export type Way = {
  readonly path: string;
  readonly protocol: "rtsp" | "http";
  readonly transport: "udp" | "tcp" | "tls";
};

/** What viewers of one way got, those that have left included. */
export type Sent = Way & { frames: number; bytes: number; skippedFrames: number };

export class Metrics {
  readonly turnSeconds = new Histogram(TURN_BOUNDS);
  /** From a frame's capture to the turn that plans it. */
  readonly frameAgeSeconds = { h264: new Histogram(FRAME_AGE_BOUNDS), jpeg: new Histogram(FRAME_AGE_BOUNDS) };
  /** From PLAY or GET to the first picture on its way. */
  readonly firstPictureSeconds = {
    rtsp: new Histogram(FIRST_PICTURE_BOUNDS),
    http: new Histogram(FIRST_PICTURE_BOUNDS),
  };
  readonly loginFailures = { rtsp: 0, http: 0 };
  readonly events = new Map<ServerEventType, number>();
  turns = 0;
  readonly #sent = new Map<string, Sent>();
  /** What of each open outlet has been counted. */
  readonly #counted = new Map<number, { bytes: number; units: number }>();

  onEvent({ type }: ServerEvent): void {
    this.events.set(type, (this.events.get(type) ?? 0) + 1);
  }

  /**
   * Counts what an outlet has sent since it was last asked. Sessions of one RTSP connection share its outlet; whichever asks
   * first has it on its account, so that the sum is right.
   */
  noteOutlet(outlet: number, way: Way, { sentBytes, sentUnits }: OutletStats): void {
    let counted = this.#counted.get(outlet);
    if (counted === undefined) {
      counted = { bytes: 0, units: 0 };
      this.#counted.set(outlet, counted);
    }
    const sent = this.#sentOf(way);
    sent.bytes += sentBytes - counted.bytes;
    sent.frames += sentUnits - counted.units;
    counted.bytes = sentBytes;
    counted.units = sentUnits;
  }

  /** The outlet is closed; its last figures were noted. */
  forgetOutlet(outlet: number): void {
    this.#counted.delete(outlet);
  }

  noteSkipped(way: Way, frames: number): void {
    this.#sentOf(way).skippedFrames += frames;
  }

  /** @param paths profiles that there are; what others sent is forgotten, or a program could fill the memory. */
  sent(paths: ReadonlySet<string>): readonly Sent[] {
    for (const [key, { path }] of this.#sent) if (!paths.has(path)) this.#sent.delete(key);
    return [...this.#sent.values()];
  }

  /** Outlets that are being counted; for the tests that count leaks. */
  get outletCount(): number {
    return this.#counted.size;
  }

  #sentOf({ path, protocol, transport }: Way): Sent {
    const key = `${protocol} ${transport} ${path}`;
    let sent = this.#sent.get(key);
    if (sent === undefined) {
      sent = { path, protocol, transport, frames: 0, bytes: 0, skippedFrames: 0 };
      this.#sent.set(key, sent);
    }
    return sent;
  }
}
