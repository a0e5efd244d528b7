/**
 * What the server says of itself, kept current while the tab is shown: its status, asked for again and again, and its events
 * as they come.
 */
import { useEffect, useState } from "preact/hooks";
import { EVENT_TYPES } from "../core-ts/config/event-types.ts";
import { ask, reasonOf } from "./api.ts";

/** Pause between two questions for the status, ms. */
const STATUS_MS = 3_000;
/** An event asks for the status again, after this, ms: many come together. */
const AFTER_EVENT_MS = 150;
/** Pause before the event stream is asked for again after it was refused, ms. */
const EVENTS_RETRY_MS = 5_000;
/** Events kept here; as many as the server keeps. */
const EVENTS_KEPT = 512;

export type Camera = {
  readonly name: string;
  readonly state: "ok" | "locked_by_os" | "evicted" | "in_use" | "disabled" | "error";
  readonly reason?: string;
  readonly fix?: string;
  readonly facing: string | null;
  readonly torch: boolean;
  readonly zoom: { readonly min: number; readonly max: number } | null;
};

export type Profile = {
  readonly path: string;
  /** The camera that it shows now. */
  readonly camera: string;
  readonly configuredCamera: string;
  readonly codec: "h264" | "mjpeg";
  readonly rtsp: boolean;
  readonly encoder: string;
  readonly state: "idle" | "starting" | "running" | "failed";
  readonly reason: string | null;
  readonly fps: number;
  readonly bitrate: number;
  readonly targetBitrate: number | null;
  readonly quality: number | null;
  readonly players: number;
};

export type Encoder = {
  readonly label: string;
  readonly width: number | null;
  readonly height: number | null;
};

export type Client = {
  readonly id: number;
  readonly protocol: "rtsp" | "http";
  readonly path: string;
  readonly address: string;
  readonly user: string | null;
  readonly userAgent: string | null;
  readonly transport: "udp" | "tcp";
  readonly state: "ready" | "playing";
  readonly seconds: number;
  readonly sentBytes: number;
  readonly sentFrames: number;
  readonly skippedFrames: number;
  readonly loss: { readonly fraction: number; readonly packets: number; readonly jitterMs: number } | null;
};

export type Status = {
  readonly server: {
    readonly name: string;
    readonly uptimeSeconds: number;
    readonly clients: number;
    readonly mjpegServer: "running" | "stopped";
    readonly rtspPort: number | null;
    readonly rtspsPort: number | null;
  };
  readonly cameras: readonly Camera[];
  readonly encoders: readonly Encoder[];
  readonly profiles: readonly Profile[];
  readonly clients: readonly Client[];
  readonly device: Readonly<Record<string, unknown>>;
};

export type ServerEvent = {
  readonly id: number;
  readonly type: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
};

export type Seen = {
  /** Undefined before the first answer. */
  readonly status: Status | undefined;
  /** Why the newest question for the status was not answered. */
  readonly trouble: string | undefined;
  /** Newest first. */
  readonly events: readonly ServerEvent[];
};

export class ServerState {
  #seen: Seen = { status: undefined, trouble: undefined, events: [] };
  readonly #listeners = new Set<(seen: Seen) => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #stream: EventSource | undefined;
  #asking = false;
  #askAgain = false;

  get seen(): Seen {
    return this.#seen;
  }

  /** Follows the tab: nothing is asked while it is hidden. */
  start(): void {
    const follow = (): void => (document.hidden ? this.#rest() : this.#wake());
    document.addEventListener("visibilitychange", follow);
    follow();
  }

  subscribe(listener: (seen: Seen) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks for the status soon: something has changed. */
  refresh(afterMs: number = 0): void {
    if (document.hidden) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), afterMs);
  }

  #wake(): void {
    this.refresh();
    this.#listen();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#stream?.close();
    this.#stream = undefined;
  }

  async #ask(): Promise<void> {
    if (this.#asking) {
      this.#askAgain = true;
      return;
    }
    this.#asking = true;
    try {
      const { value } = await ask<Status>("GET", "/api/status");
      this.#set({ status: value, trouble: undefined });
    } catch (error) {
      this.#set({ trouble: reasonOf(error) });
    }
    this.#asking = false;
    this.refresh(this.#askAgain ? AFTER_EVENT_MS : STATUS_MS);
    this.#askAgain = false;
  }

  #listen(): void {
    clearTimeout(this.#retry);
    this.#stream?.close();
    // A browser that begins anew does not say what it has seen; 0 asks for everything that is kept.
    const stream = new EventSource(`/api/events?since=${this.#seen.events[0]?.id ?? 0}`);
    this.#stream = stream;
    const take = ({ data }: MessageEvent<string>): void => {
      const event = JSON.parse(data) as ServerEvent;
      this.#set({ events: [event, ...this.#seen.events.filter(({ id }) => id !== event.id)].slice(0, EVENTS_KEPT) });
      this.refresh(AFTER_EVENT_MS);
    };
    for (const type of EVENT_TYPES) stream.addEventListener(type, take);
    stream.addEventListener("error", () => {
      // Closed is what it is after a refusal; else the browser comes back by itself.
      if (stream.readyState !== EventSource.CLOSED || this.#stream !== stream) return;
      this.#retry = setTimeout(() => this.#listen(), EVENTS_RETRY_MS);
    });
  }

  #set(change: Partial<Seen>): void {
    this.#seen = { ...this.#seen, ...change };
    for (const listener of [...this.#listeners]) listener(this.#seen);
  }
}

export function useSeen(server: ServerState): Seen {
  const [seen, setSeen] = useState(server.seen);
  useEffect(() => server.subscribe(setSeen), [server]);
  return seen;
}

/** Whether the tab is shown. */
export function useShown(): boolean {
  const [shown, setShown] = useState(!document.hidden);
  useEffect(() => {
    const follow = (): void => setShown(!document.hidden);
    document.addEventListener("visibilitychange", follow);
    return () => document.removeEventListener("visibilitychange", follow);
  }, []);
  return shown;
}
