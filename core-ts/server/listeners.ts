/**
 * The listening sockets, kept in step with the configuration. Row 3.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
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
  onAccepted(kind: ListenerKind, event: Accepted): void;
  /** Every listener is up; after the start, and again after a reload that changed them. */
  onListening(): void;
  /** A listener could not be opened at the start; one line that names the port and the cure. */
  onListenFailed(message: string): void;
}

type Wanted = { readonly kind: ListenerKind; readonly address: string; readonly port: number };

/** A listener as the status shows it. */
export type ListenerState = {
  readonly protocol: ListenerKind;
  readonly address: string;
  readonly port: number;
  readonly state: "opening" | "listening" | "lost";
  readonly reason: string | null;
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
  pauseUs: Micros = RELISTEN_FIRST_US;
  retry: Timer | undefined;

  constructor(runtime: Runtime, wanted: Wanted, notify: ListenerEvents) {
    this.#runtime = runtime;
    this.wanted = wanted;
    this.#notify = notify;
  }

  open(): void {
    const { address } = this.wanted;
    const port = this.wanted.port === 0 ? this.lastPort : this.wanted.port;
    const handle = this.#runtime.host.tcpListen(JSON.stringify({ address, port }));
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
      this.#notify.up();
    } else if (event.type === "closed") {
      this.#runtime.disown(this.handle);
      this.handle = 0;
      this.port = 0;
      // Somebody else has it by now.
      if (event.reason === "in-use") this.lastPort = 0;
      this.#notify.lost(event.reason === "failed" ? (event.detail ?? event.reason) : event.reason);
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
    const wanted: Wanted[] = [];
    const { address } = config;
    if (config.rtsp.enabled) wanted.push({ kind: "rtsp", address, port: config.rtsp.port });
    if (config.http.enabled) {
      for (const port of [config.http.port, ...config.http.morePorts]) wanted.push({ kind: "http", address, port });
    }
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

  /** The port in use of the first listener of a kind; 0 for none. */
  portOf(kind: ListenerKind): number {
    return this.#listeners.find((listener) => listener.wanted.kind === kind)?.port ?? 0;
  }

  /** For the status. */
  states(): ListenerState[] {
    return this.#listeners.map(({ wanted: { kind, address, port }, port: inUse, lostReason }) => ({
      protocol: kind,
      address,
      port: inUse === 0 ? port : inUse,
      state: inUse !== 0 ? "listening" : lostReason === "" ? "opening" : "lost",
      reason: inUse === 0 && lostReason !== "" ? lostReason : null,
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
      accepted: (event) => this.#owner.onAccepted(wanted.kind, event),
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
    if (listener.lostReason !== "") {
      listener.lostReason = "";
      listener.pauseUs = RELISTEN_FIRST_US;
      this.#runtime.log("info", `${listener.wanted.kind.toUpperCase()} listens again on port ${listener.port}`);
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
  return a.kind === b.kind && a.address === b.address && a.port === b.port;
}

function describeLoss({ kind, address, port }: Wanted, reason: string): string {
  const what = `${kind.toUpperCase()} can't listen on ${address}:${port}`;
  const key = kind === "rtsp" ? "rtsp.port" : "http.port";
  if (reason === "in-use")
    return `${what}: the port is in use; stop the other program, or set ${key} (0 takes a free one)`;
  if (reason === "denied") return `${what}: the system denies it; ports below 1024 need privileges, set ${key} higher`;
  if (reason === "unreachable" || reason === "not-found") {
    return `${what}: this machine has no such address; set address to one of its own, or 0.0.0.0 for all`;
  }
  return `${what}: ${reason}`;
}
