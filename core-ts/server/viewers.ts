/**
 * Who is watching, over RTSP and HTTP alike: counted against the limit, listed in the status. Row 3.
 */
import type { Micros } from "../time/units.ts";

/** One viewer as the status shows it. Counters run since it came. */
export type ViewerFigures = {
  readonly id: number;
  readonly protocol: "rtsp" | "http";
  readonly path: string;
  readonly address: string;
  readonly user: string | null;
  readonly userAgent: string | null;
  readonly transport: "udp" | "tcp";
  readonly state: "ready" | "playing";
  /** When it came, and seconds since then. */
  readonly sinceUs: Micros;
  readonly seconds: number;
  readonly sentBytes: number;
  readonly sentFrames: number;
  /** Frames that we skipped because this viewer was too slow. */
  readonly skippedFrames: number;
  /** What receiver reports say; null before the first. Lost packets are without our own skips. */
  readonly loss: { readonly fraction: number; readonly packets: number; readonly jitterMs: number } | null;
  readonly roundTripMs: number | null;
};

export interface Viewer {
  readonly protocol: "rtsp" | "http";
  /** Ends it: the client is told as far as its protocol can. @param why for the log and the event. */
  endByServer(why: string): void;
  figures(nowUs: Micros): ViewerFigures;
}

export class Viewers {
  readonly #viewers = new Map<number, Viewer>();
  #most: number;
  #nextId = 1;

  constructor(most: number) {
    this.#most = most;
  }

  setMost(most: number): void {
    this.#most = most;
  }

  get count(): number {
    return this.#viewers.size;
  }

  get full(): boolean {
    return this.#viewers.size >= this.#most;
  }

  /** @returns the viewer's number, never reused. */
  add(viewer: Viewer): number {
    const id = this.#nextId++;
    this.#viewers.set(id, viewer);
    return id;
  }

  remove(id: number): void {
    this.#viewers.delete(id);
  }

  byId(id: number): Viewer | undefined {
    return this.#viewers.get(id);
  }

  /** Ends every viewer of a protocol. */
  endAll(protocol: "rtsp" | "http", why: string): void {
    for (const viewer of [...this.#viewers.values()]) if (viewer.protocol === protocol) viewer.endByServer(why);
  }

  list(nowUs: Micros): ViewerFigures[] {
    return [...this.#viewers.values()].map((viewer) => viewer.figures(nowUs));
  }
}
