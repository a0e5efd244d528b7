/**
 * The listening sockets, kept in step with the configuration. Row 3.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import type { TlsSpec } from "../../bindings/contract/host.ts";
import type { Config } from "../config/config.ts";
import type { Timer } from "../time/timer-queue.ts";
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";

export type ListenerKind = "rtsp" | "http";
type Accepted = Extract<HostEvent, { type: "accepted" }>;

/**
 * First pause before a listener that was lost while serving, or that a reload asks for in vain, is opened again; it doubles
 * up to the greatest. A change of the network ends the pause.
 */
export const RELISTEN_FIRST_US: Micros = seconds(1);
export const RELISTEN_MAX_US: Micros = seconds(30);

export interface ListenersOwner {
  onAccepted(kind: ListenerKind, event: Accepted, isTls: boolean): void;
  /** What a self-signed certificate that is made now is to be good for, beside the machine's addresses. */
  certificateNames(): readonly string[];
  /** Every listener is up; after the start, and again after a reload that changed them. */
  onListening(): void;
  /** A listener could not be opened at the start; one line that names the port and the cure. */
  onListenFailed(message: string): void;
}

type Wanted = {
  readonly kind: ListenerKind;
  readonly address: string;
  readonly port: number;
  /** Undefined: without TLS. */
  readonly tls: TlsSpec | undefined;
};

/** A listener as the status shows it. */
export type ListenerState = {
  readonly protocol: ListenerKind;
  readonly address: string;
  readonly port: number;
  readonly state: "opening" | "listening" | "lost";
  readonly reason: string | null;
  /** Whether it has TLS, and the SHA-256 of the certificate it shows. */
  readonly tls: boolean;
  readonly fingerprint: string | null;
};

interface ListenerEvents {
  up(): void;
  lost(reason: string): void;
  accepted(event: Accepted): void;
}

class Listener implements HandleOwner {
  readonly wanted: Wanted;
  readonly #runtime: Runtime;
  readonly #notify: ListenerEvents;
  handle = 0;
  /** The port in use; 0 until it listens. */
  port = 0;
  /** The port it listened on last: where any would do, clients that come back look for that one. */
  lastPort = 0;
  /** Why it was lost; empty while it is not. */
  lostReason = "";
  fingerprint: string | null = null;
  pauseUs: Micros = RELISTEN_FIRST_US;
  retry: Timer | undefined;

  constructor(runtime: Runtime, wanted: Wanted, notify: ListenerEvents) {
    this.#runtime = runtime;
    this.wanted = wanted;
    this.#notify = notify;
  }

  open(): void {
    const { address, tls } = this.wanted;
    const port = this.wanted.port === 0 ? this.lastPort : this.wanted.port;
    const handle = this.#runtime.host.tcpListen(
      JSON.stringify({ address, port, ...(tls === undefined ? {} : { tls }) }),
    );
    if (handle < 0) return this.#notify.lost("refused by the host");
    this.handle = handle;
    this.#runtime.own(handle, this);
  }

  close(): void {
    this.retry?.cancel();
    if (this.handle === 0) return;
    this.#runtime.disown(this.handle);
    this.#runtime.host.listenerClose(this.handle);
    this.handle = 0;
    this.port = 0;
  }

  onEvent(event: HostEvent): void {
    if (event.type === "accepted") this.#notify.accepted(event);
    else if (event.type === "listening") {
      this.port = event.port;
      this.lastPort = event.port;
      this.fingerprint = event.fingerprint ?? null;
      this.#notify.up();
    } else if (event.type === "closed") {
      this.#runtime.disown(this.handle);
      this.handle = 0;
      this.port = 0;
      // Somebody else has it by now.
      if (event.reason === "in-use") this.lastPort = 0;
      const isTold = event.reason === "failed" || event.reason === "tls";
      this.#notify.lost(isTold ? (event.detail ?? event.reason) : event.reason);
    }
  }
}

export class Listeners {
  readonly #runtime: Runtime;
  readonly #owner: ListenersOwner;
  #listeners: Listener[] = [];
  #announced = false;
  /** Every listener was up once: from now on a port that can't be had is no reason to end what runs. */
  #started = false;

  constructor(runtime: Runtime, owner: ListenersOwner) {
    this.#runtime = runtime;
    this.#owner = owner;
  }

  /** Opens what the configuration asks for and is not open, and closes what it no longer asks for. */
  apply(config: Config): void {
    const wanted = wantedOf(config, this.#owner.certificateNames());
    const kept = this.#listeners.filter((listener) => wanted.some((want) => isSame(want, listener.wanted)));
    for (const listener of this.#listeners) if (!kept.includes(listener)) listener.close();
    const added = wanted
      .filter((want) => !kept.some((listener) => isSame(want, listener.wanted)))
      .map((want) => this.#make(want));
    this.#listeners = [...kept, ...added];
    this.#announced &&= added.length === 0;
    for (const listener of added) listener.open();
    this.#announceWhenUp();
  }

  /** The port in use of the first listener of a kind, with or without TLS; 0 for none. */
  portOf(kind: ListenerKind, isTls = false): number {
    return (
      this.#listeners.find(({ wanted }) => wanted.kind === kind && (wanted.tls !== undefined) === isTls)?.port ?? 0
    );
  }

  /** For the status. */
  states(): ListenerState[] {
    return this.#listeners.map(({ wanted: { kind, address, port, tls }, port: inUse, lostReason, fingerprint }) => ({
      protocol: kind,
      address,
      port: inUse === 0 ? port : inUse,
      state: inUse !== 0 ? "listening" : lostReason === "" ? "opening" : "lost",
      reason: inUse === 0 && lostReason !== "" ? lostReason : null,
      tls: tls !== undefined,
      fingerprint,
    }));
  }

  /**
   * The machine's addresses have changed. What listens on one that is gone is closed: some systems keep such a socket for
   * ever without a word. What waits to be opened again is tried at once.
   */
  onNetwork(removed: ReadonlySet<string>): void {
    for (const listener of [...this.#listeners]) {
      if (listener.handle !== 0 && removed.has(listener.wanted.address)) {
        listener.close();
        this.#onLost(listener, "unreachable");
      } else if (listener.handle === 0 && listener.retry?.waiting === true) {
        listener.retry.cancel();
        listener.pauseUs = RELISTEN_FIRST_US;
        listener.open();
      }
    }
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
  }

  #make(wanted: Wanted): Listener {
    const listener = new Listener(this.#runtime, wanted, {
      up: () => this.#onUp(listener),
      accepted: (event) => this.#owner.onAccepted(wanted.kind, event, wanted.tls !== undefined),
      lost: (reason) => this.#onLost(listener, reason),
    });
    return listener;
  }

  #onLost(listener: Listener, reason: string): void {
    const message = describeLoss(listener.wanted, reason);
    if (!this.#started) return this.#owner.onListenFailed(message);
    // While it is tried in vain only the first time is news.
    if (listener.lostReason !== message) {
      listener.lostReason = message;
      this.#runtime.log("error", message);
      const retrySeconds = listener.pauseUs / MICROS_PER_SECOND;
      this.#runtime.events.emit("listener.lost", { ...identityOf(listener), reason: message, retrySeconds });
    }
    // It may come back on another port.
    this.#announced = false;
    listener.retry?.cancel();
    listener.retry = this.#runtime.after(listener.pauseUs, () => {
      if (this.#listeners.includes(listener) && listener.handle === 0) listener.open();
    });
    listener.pauseUs = Math.min(listener.pauseUs * 2, RELISTEN_MAX_US);
  }

  #onUp(listener: Listener): void {
    if (listener.fingerprint !== null) {
      this.#runtime.log("info", `${nameOf(listener.wanted)} shows the certificate sha256=${listener.fingerprint}`);
    }
    if (listener.lostReason !== "") {
      listener.lostReason = "";
      listener.pauseUs = RELISTEN_FIRST_US;
      this.#runtime.log("info", `${nameOf(listener.wanted)} listens again on port ${listener.port}`);
      this.#runtime.events.emit("listener.up", { ...identityOf(listener), port: listener.port });
    }
    this.#announceWhenUp();
  }

  #announceWhenUp(): void {
    if (this.#announced || this.#listeners.some((listener) => listener.port === 0)) return;
    this.#announced = true;
    this.#started = true;
    this.#owner.onListening();
  }
}

function identityOf({ wanted: { kind, address, port }, lastPort }: Listener) {
  return { protocol: kind, address, port: port === 0 ? lastPort : port };
}

function isSame(a: Wanted, b: Wanted): boolean {
  // Names are for a certificate that has yet to be made.
  const filesOf = ({ tls }: Wanted): string =>
    tls === undefined ? "plain" : "selfSigned" in tls ? "self-signed" : `${tls.certificate} ${tls.key}`;
  return a.kind === b.kind && a.address === b.address && a.port === b.port && filesOf(a) === filesOf(b);
}

function wantedOf({ address, rtsp, http, tls }: Config, names: readonly string[]): Wanted[] {
  const { certificate, key } = tls;
  const spec: TlsSpec =
    certificate === undefined || key === undefined ? { selfSigned: true, names } : { certificate, key };
  const wanted: Wanted[] = [];
  const want = (kind: ListenerKind, port: number, isTls: boolean): void => {
    wanted.push({ kind, address, port, tls: isTls ? spec : undefined });
  };
  if (rtsp.enabled && rtsp.plain) want("rtsp", rtsp.port, false);
  if (rtsp.enabled && rtsp.tls.enabled) want("rtsp", rtsp.tls.port, true);
  if (http.enabled && http.plain) for (const port of [http.port, ...http.morePorts]) want("http", port, false);
  if (http.enabled && http.tls.enabled) want("http", http.tls.port, true);
  return wanted;
}

function nameOf({ kind, tls }: Wanted): string {
  return `${kind.toUpperCase()}${tls === undefined ? "" : "S"}`;
}

function describeLoss(wanted: Wanted, reason: string): string {
  const { kind, address, port, tls } = wanted;
  const what = `${nameOf(wanted)} can't listen on ${address}:${port}`;
  const key = `${kind}${tls === undefined ? "" : ".tls"}.port`;
  if (reason === "in-use")
    return `${what}: the port is in use; stop the other program, or set ${key} (0 takes a free one)`;
  if (reason === "denied") return `${what}: the system denies it; ports below 1024 need privileges, set ${key} higher`;
  if (reason === "unreachable" || reason === "not-found") {
    return `${what}: this machine has no such address; set address to one of its own, or 0.0.0.0 for all`;
  }
  return `${what}: ${reason}`;
}
