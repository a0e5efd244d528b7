/**
 * Who is watching, over RTSP and HTTP alike: counted against the limit, listed in the status. Row 3.
 */
import type { Micros } from "../time/units.ts";
import type { LinkFigures } from "./adaptation.ts";
import { peerGroup } from "./peer-group.ts";

/** One viewer as the status shows it. Counters run since it came. */
export type ViewerFigures = {
  readonly id: number;
  readonly protocol: "rtsp" | "http";
  readonly path: string;
  readonly address: string;
  readonly user: string | null;
  readonly userAgent: string | null;
  readonly transport: "udp" | "tcp" | "tls";
  readonly state: "ready" | "playing";
  /** When it came, and seconds since then. */
  readonly sinceUs: Micros;
  readonly seconds: number;
  readonly sentBytes: number;
  readonly sentFrames: number;
  /** Frames that we skipped because this viewer was too slow. */
  readonly skippedFrames: number;
  /** For how long its socket has taken nothing though media waits, as last looked at; 0 is well. */
  readonly stalledSeconds: number;
  /** What receiver reports say; null before the first. Lost packets are without our own skips. */
  readonly loss: { readonly fraction: number; readonly packets: number; readonly jitterMs: number } | null;
  readonly roundTripMs: number | null;
  /** What its network is taken to bear; null when that isn't looked at. */
  readonly link: LinkFigures | null;
};

export interface Viewer {
  readonly protocol: "rtsp" | "http";
  readonly peerAddress: string;
  /** Ends it: the client is told as far as its protocol can. @param why for the log and the event. */
  endByServer(why: string): void;
  figures(nowUs: Micros): ViewerFigures;
}

export class Viewers {
  readonly #viewers = new Map<number, Viewer>();
  readonly #ofPeer = new Map<string, number>();
  readonly #onRefused: (reason: "clients" | "clients-of-address") => void;
  #most: number;
  #mostPerAddress: number;
  #nextId = 1;

  /** @param onRefused told when {@link refusal} finds no room. */
  constructor(
    most: number,
    mostPerAddress: number,
    onRefused: (reason: "clients" | "clients-of-address") => void = () => {},
  ) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
    this.#onRefused = onRefused;
  }

  setLimits(most: number, mostPerAddress: number): void {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  get count(): number {
    return this.#viewers.size;
  }

  /** Why an address can have no further viewer; undefined when it can. One address can't use up all places. */
  whyFull(address: string): "clients" | "clients-of-address" | undefined {
    if (this.#viewers.size >= this.#most) return "clients";
    const ofPeer = this.#ofPeer.get(peerGroup(address)) ?? 0;
    return ofPeer >= this.#mostPerAddress ? "clients-of-address" : undefined;
  }

  /** Undefined when an address may have a further viewer; else that is a refusal, and this is what to tell. */
  refusal(address: string): string | undefined {
    const why = this.whyFull(address);
    if (why === undefined) return undefined;
    this.#onRefused(why);
    return why === "clients"
      ? `${this.#most} clients are here, which is the limit (limits.clients)`
      : `${this.#mostPerAddress} clients of one address are the limit (limits.clientsPerAddress)`;
  }

  /** @returns the viewer's number, never reused. */
  add(viewer: Viewer): number {
    const id = this.#nextId++;
    this.#viewers.set(id, viewer);
    const peer = peerGroup(viewer.peerAddress);
    this.#ofPeer.set(peer, (this.#ofPeer.get(peer) ?? 0) + 1);
    return id;
  }

  remove(id: number): void {
    const viewer = this.#viewers.get(id);
    if (viewer === undefined) return;
    this.#viewers.delete(id);
    const peer = peerGroup(viewer.peerAddress);
    const left = (this.#ofPeer.get(peer) ?? 1) - 1;
    if (left > 0) this.#ofPeer.set(peer, left);
    else this.#ofPeer.delete(peer);
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
