/**
 * One viewer of an MJPEG stream over HTTP: the outlet of its connection, and what it was sent. Row 3.
 */
import type { Endpoint, HostEvent } from "../../bindings/contract/events.ts";
import type { OutletStats } from "../../bindings/contract/host.ts";
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import type { AdaptedViewer } from "./adaptation.ts";
import type { ServerContext } from "./context.ts";
import type { HttpExchange } from "./http-exchange.ts";
import type { Way } from "./metrics.ts";
import type { StreamProfile } from "./profiles.ts";
import type { HandleOwner, LogLevel } from "./runtime.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Viewer, ViewerFigures } from "./viewers.ts";

/** An MJPEG outlet keeps the newest picture only; these bound what one may be and how old. */
const STREAM_MAX_BYTES = 16 * 1024 * 1024;
const STREAM_AGE_MS = 2000;

/** The connection that a stream leaves through. */
export interface StreamCarrier {
  readonly handle: number;
  readonly context: ServerContext;
  readonly peer: Endpoint;
  readonly isTls: boolean;
  log(level: LogLevel, text: string): void;
  close(afterFlush: boolean, why: string): void;
}

/** One viewer of a multipart stream. */
export class MjpegViewer implements Viewer, HandleOwner, AdaptedViewer {
  readonly protocol = "http";
  readonly transportKind = "tcp";
  readonly latestOnly = true;
  readonly profile: StreamProfile;
  readonly #connection: StreamCarrier;
  readonly exchange: HttpExchange;
  readonly #userAgent: string | undefined;
  readonly #path: string;
  readonly #startedUs: Micros;
  readonly #stallWatch = new StallWatch();
  #id = 0;
  #outlet = 0;
  #skipped = 0;

  constructor(connection: StreamCarrier, profile: StreamProfile, exchange: HttpExchange) {
    this.#connection = connection;
    this.profile = profile;
    this.exchange = exchange;
    this.#userAgent = exchange.request.headers.get("User-Agent");
    this.#path = exchange.request.path;
    this.#startedUs = connection.context.runtime.nowUs;
  }

  get peerAddress(): string {
    return this.#connection.peer.address;
  }

  /** False when the host gives no outlet; the encoder is then released. */
  open(): boolean {
    const { runtime, viewers } = this.#connection.context;
    const spec = {
      connection: this.#connection.handle,
      maxBytes: STREAM_MAX_BYTES,
      maxAgeMs: STREAM_AGE_MS,
      overflow: "latest-only",
    };
    const outlet = runtime.host.outletOpen(JSON.stringify(spec));
    if (outlet <= 0) {
      this.profile.encoder.release();
      return false;
    }
    this.#outlet = outlet;
    runtime.own(outlet, this);
    this.profile.mjpeg?.join(outlet);
    this.#id = viewers.add(this);
    this.profile.adaptation.join(this);
    runtime.events.emit("client.connected", this.#identity());
    return true;
  }

  endByServer(why: string): void {
    this.#connection.close(true, why);
  }

  close(why: string): void {
    const { runtime, viewers } = this.#connection.context;
    this.profile.adaptation.leave(this);
    this.profile.mjpeg?.leave(this.#outlet);
    runtime.disown(this.#outlet);
    this.#stats();
    runtime.host.outletClose(this.#outlet);
    runtime.metrics.forgetOutlet(this.#outlet);
    viewers.remove(this.#id);
    const watched = Math.floor((runtime.nowUs - this.#startedUs) / MICROS_PER_SECOND);
    runtime.events.emit("client.left", { ...this.#identity(), reason: why, seconds: watched });
    this.profile.encoder.release();
    this.#connection.log("info", `stream ended path=${this.#path} skipped=${this.#skipped}`);
  }

  onEvent(event: HostEvent): void {
    if (event.type !== "skipped") return;
    this.#skipped += event.frames;
    this.#connection.context.runtime.metrics.noteSkipped(this.#way, event.frames);
  }

  get stalled(): boolean {
    const stats = this.#stats();
    return stats === undefined || this.#stallWatch.stalled(stats, this.#connection.context.runtime.nowUs);
  }

  get viewerId(): number {
    return this.#id;
  }

  outletStats(): OutletStats | undefined {
    const text = this.#connection.context.runtime.host.outletStats(this.#outlet);
    return text === "" ? undefined : (JSON.parse(text) as OutletStats);
  }

  sendReport(): void {
    // HTTP has none.
  }

  tellStalled(): void {
    const { runtime } = this.#connection.context;
    const stalledFor = Math.round(this.#stallWatch.waitingUs(runtime.nowUs) / MICROS_PER_SECOND);
    runtime.events.emit("client.stalled", { ...this.#identity(), seconds: stalledFor });
  }

  figures(nowUs: Micros): ViewerFigures {
    const stats = this.#stats();
    return {
      id: this.#id,
      protocol: "http",
      path: this.#path,
      address: this.#connection.peer.address,
      user: this.exchange.user ?? null,
      userAgent: this.#userAgent ?? null,
      transport: this.#connection.isTls ? "tls" : "tcp",
      state: "playing",
      sinceUs: this.#startedUs,
      seconds: Math.floor((nowUs - this.#startedUs) / 1_000_000),
      sentBytes: stats?.sentBytes ?? 0,
      sentFrames: stats?.sentUnits ?? 0,
      skippedFrames: this.#skipped,
      stalledSeconds: Math.floor(this.#stallWatch.waitingUs(nowUs) / MICROS_PER_SECOND),
      loss: null,
      roundTripMs: null,
      link: this.profile.adaptation.linkOf(this),
    };
  }

  #identity() {
    return {
      client: this.#id,
      path: this.#path,
      address: this.#connection.peer.address,
      user: this.exchange.user ?? null,
    };
  }

  get #way(): Way {
    return { path: this.profile.path, protocol: "http", transport: this.#connection.isTls ? "tls" : "tcp" };
  }

  #stats(): OutletStats | undefined {
    const { host, metrics } = this.#connection.context.runtime;
    const text = host.outletStats(this.#outlet);
    if (text === "") return undefined;
    const stats = JSON.parse(text) as OutletStats;
    metrics.noteOutlet(this.#outlet, this.#way, stats);
    return stats;
  }
}
