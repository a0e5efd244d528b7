/**
 * The host: everything the core can ask of the machine it runs on. Written for QuickJS on a phone first, Node second.
 *
 * Rules that hold for every verb (README.md in this folder says more):
 * - Synchronous. No promise, no callback; what takes time is answered by an event of a later {@link Host.takeEvents}.
 * - Called on the core's thread only, during `start`, `turn` or `stop`; a host never calls back into the engine.
 * - A handle is a positive integer, never reused in a run. A dead or foreign handle yields {@link Code.GONE}.
 * - Ordinary outcomes are return values: 0 or more is success, below 0 a {@link Code}. An exception is a bug on one side.
 * - Structures cross as JSON text, bytes from the host as text (one char a byte, byte 0 as U+0100), bytes to the host as
 *   an exact-size `Int8Array` that the host copies before it returns (or a buffer with a length, where a verb says so).
 * - An open verb returns a handle at once even when the work is still under way; its failure is the handle's `closed`.
 */

/** Raised when a verb, an event or a rule changes so that an older core or host would misbehave. */
export const CONTRACT_VERSION = 1;

/** Results below zero. Stable numbers: Kotlin has the same. */
export const Code = {
  /** Done. */
  OK: 0,
  /** The handle is closed, foreign, or was never given out. */
  GONE: -1,
  /** A bound is reached; nothing of the call happened. A `writable` event follows where the verb says so. */
  FULL: -2,
  /** This host can't do that (yet); nothing happened. */
  UNSUPPORTED: -3,
  /** The arguments make no sense: bad JSON, a plan that leaves the frame, a name with `/`. A bug in the core. */
  INVALID: -4,
  /** The named camera, file or interface does not exist. */
  NOT_FOUND: -5,
  /** The system refused, now and for a reason outside the arguments; the `log` has it. */
  FAILED: -6,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

// Bounds that every host keeps; the conformance cases test them.

/** Most bytes in a connection's control lane; past it `tcpWrite` answers FULL. */
export const CONTROL_LANE_BYTES = 256 * 1024;
/** Most received bytes in one `takeEvents()`, over all connections and sockets. */
export const EVENTS_MAX_BYTES = 256 * 1024;
/** Most received bytes of one connection in one `takeEvents()`. */
export const EVENTS_MAX_BYTES_PER_CONNECTION = 32 * 1024;
/** Most datagrams of one UDP socket that wait for `takeEvents()`; further ones are dropped, as a kernel would. */
export const DATAGRAMS_WAITING_MAX = 64;
/** Most frames of one encoder that wait for a turn; past it the host drops through the next key frame. */
export const FRAMES_WAITING_MAX = 8;
/** Longest that a frame waits for a turn, in microseconds; past it as above. */
export const FRAMES_WAITING_MAX_US = 250_000;
/** Most bytes in blobs at a time; past it `keepFrame` answers FULL. */
export const BLOBS_MAX_BYTES = 32 * 1024 * 1024;
/** Largest gather plan in bytes. */
export const PLAN_MAX_BYTES = 1 << 20;
/** `tcpClose(conn, true)` becomes a reset after this long without progress. */
export const CLOSE_FLUSH_MAX_US = 5_000_000;
/** A TLS handshake that a listener's peer has not finished by then ends with a reset; the core hears nothing of it. */
export const TLS_HANDSHAKE_MAX_US = 10_000_000;
/** Most handshakes of a listener under way; one more ends the oldest. */
export const TLS_HANDSHAKES_MAX = 64;
/** Largest PEM file. */
export const TLS_FILE_MAX_BYTES = 64 * 1024;
/** The self-signed certificate and its key in the app's own folder, PEM. */
export const SELF_SIGNED_CERTIFICATE = "tls-self-signed.pem";
export const SELF_SIGNED_KEY = "tls-self-signed-key.pem";
/** UDP units of at most so many packets are never paced: they are no burst that a network would mind. */
export const PACE_UNIT_PACKETS = 16;
/** A paced unit leaves in bursts of so many packets. */
export const PACE_BURST_PACKETS = 8;
/** Upper bounds of what {@link Host.wireAges} counts in microseconds, inclusive. */
export const WIRE_AGE_BOUNDS_US: readonly number[] = [
  1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
];
/** A unit's `head`: first bytes of an H.264 slice NAL unit. */
export const HEAD_SLICE_BYTES = 2;
/** A unit's `head`: whole parameter sets and SEI up to this many bytes. */
export const HEAD_PARAMETER_SET_BYTES = 512;
/** A unit's `head`: JPEG headers, SOI through the end of the SOS header, at most this many bytes. */
export const HEAD_JPEG_BYTES = 2048;

/** A handle or a {@link Code}. */
export type HandleOrCode = number;
/** 0 or more, or a {@link Code}. */
export type CountOrCode = number;

/** Spec of {@link Host.tcpListen}. */
export type ListenSpec = {
  /** Numeric local address; `0.0.0.0` or `::` for all. `::` also takes IPv4 where the system does so. */
  readonly address: string;
  /** 0 … 65535; 0 takes a free one, which `listening` reports. */
  readonly port: number;
  /** TLS for every connection; `accepted` comes after the handshake. */
  readonly tls?: TlsSpec;
};
/**
 * TLS of a listener: versions 1.2 and 1.3, no renegotiation, no client certificates (README.md, "TLS"). Exactly one of the
 * two forms, else INVALID. What is wrong with the files is the listener's `closed` with reason `tls`, whose `detail` names the
 * file, the fault and the cure. Both files are read when the listener opens: renewed ones count at the next `tcpListen`.
 */
export type TlsSpec =
  | {
      /** PEM file of the app's own folder: the server's certificate first, then what leads to its authority. */
      readonly certificate: string;
      /** PEM file of its private key: PKCS #8, PKCS #1 (RSA) or SEC 1 (EC), not encrypted. */
      readonly key: string;
    }
  | {
      /**
       * The pair {@link SELF_SIGNED_CERTIFICATE} and {@link SELF_SIGNED_KEY} of the app's own folder. Where neither is there the
       * host makes them: P-256, valid from 2020 to 2049 whatever the clock says, readable by their owner only. From then on
       * they are the same at every start, and whoever trusts the certificate once is done. Without a folder they last as long
       * as the host.
       */
      readonly selfSigned: true;
      /** Names and numeric addresses in a certificate that is made now, beside `localhost` and the machine's addresses. */
      readonly names?: readonly string[];
    };

/** TLS of a connection out: the peer's certificate must be good for the name and lead to one that is trusted. */
export type TlsClientSpec = {
  /** Name that the certificate must have, and that is sent (SNI); absent: the host, a numeric one too. */
  readonly serverName?: string;
  /** PEM file of the app's own folder: trusted in place of what the system trusts. */
  readonly trusted?: string;
};

/** Spec of {@link Host.tcpConnect}. Names are resolved off the loop. */
export type ConnectSpec = {
  readonly host: string;
  readonly port: number;
  /** `connected` comes after the handshake. A certificate that is no good: `closed` with reason `tls`. */
  readonly tls?: TlsClientSpec;
  /** Until `connected`, handshake included, 1 … 60,000; then `closed` with reason `timeout`. */
  readonly timeoutMs: number;
};

/** Spec of {@link Host.udpOpen}. */
export type UdpSpec = {
  /** Numeric local address to bind. */
  readonly address: string;
  /** 0 … 65535; 0 takes a free one, which `opened` reports. */
  readonly port: number;
  /** SO_REUSEADDR (and SO_REUSEPORT where there is one): several sockets on one multicast port. */
  readonly reuse?: boolean;
  /** Multicast group to join, numeric. */
  readonly group?: string;
  /** Interface of the group by its name in {@link Host.interfaces}; absent: the system's choice. */
  readonly interface?: string;
  /** Multicast time to live (hop limit), 0 … 255. */
  readonly ttl?: number;
};

/** Spec of {@link Host.encoderOpen}. */
export type EncoderSpec = {
  /** A name that {@link Host.cameras} lists. */
  readonly camera: string;
  readonly codec: "h264" | "jpeg";
  /** Wished size in pixels after rotation. The `format` event tells the real one. */
  readonly width: number;
  readonly height: number;
  /** Frames a second, at most. */
  readonly fps: number;
  /** H.264: bits per second. */
  readonly bitrate?: number;
  /** H.264: milliseconds between key frames. */
  readonly keyIntervalMs?: number;
  /** JPEG: 1 … 100. */
  readonly quality?: number;
  /** Degrees clockwise, or `auto`: upright as the device is held. */
  readonly rotation: "auto" | 0 | 90 | 180 | 270;
  readonly mirror: boolean;
  /** The time of day stands in the picture, where the host can do that; absent: false. */
  readonly clock?: boolean;
};

/** Spec of {@link Host.outletOpen}: exactly one of `connection`, `udp` and `file`. */
export type OutletSpec = {
  /** A TCP connection's handle. A connection has at most one open outlet; a second is INVALID. */
  readonly connection?: number;
  /** A connected UDP socket's handle. */
  readonly udp?: number;
  /** An open file's handle. */
  readonly file?: number;
  /** Most queued bytes. An empty outlet takes one unit whatever its size. */
  readonly maxBytes: number;
  /** Greatest age of the oldest queued, unbegun unit in milliseconds, by its frame's capture time `timeUs`. */
  readonly maxAgeMs: number;
  /**
   * What happens past either bound. `skip-to-key`: the membership's queued, unbegun units are dropped, and it waits for its
   * fan-out's next key unit. `latest-only`: a new unit replaces the queued, unbegun one, always.
   */
  readonly overflow: "skip-to-key" | "latest-only";
  /**
   * UDP only: the time in microseconds, 0 … 1,000,000, over which a unit of more than {@link PACE_UNIT_PACKETS} packets is
   * spread (README.md, "Pacing"). Absent or 0: at once. With another destination it is INVALID.
   */
  readonly paceUs?: number;
};

/** The form in which a fan-out's plans are cut; hosts may use it to choose how to send. */
export type FanoutForm = "udp" | "interleaved" | "http" | "file";

/** Result of {@link Host.outletStats} as JSON. Counters run since the outlet opened. */
export type OutletStats = {
  /** Queued bytes, begun units included, and the age of the oldest in microseconds (0 when empty). */
  readonly queuedBytes: number;
  readonly ageUs: number;
  /** Bytes and units that the system has taken. */
  readonly sentBytes: number;
  readonly sentUnits: number;
  /** Units dropped: queued ones by overflow and ones that came while a membership waited for a key after an overflow. */
  readonly skippedUnits: number;
  /** `nowUs` of the last byte that the system took; of the opening before that. */
  readonly progressUs: number;
};

/**
 * Result of {@link Host.wireAges} as JSON, by the kind of destination. `counts`: units whose age was at most each of
 * {@link WIRE_AGE_BOUNDS_US} and above the one before, then those above all; `sumUs`: of all their ages.
 */
export type WireAges = Readonly<Record<"udp" | "tcp", { readonly counts: readonly number[]; readonly sumUs: number }>>;

/** One camera of {@link Host.cameras}. */
export type CameraInfo = {
  readonly name: string;
  /** `error` carries a reason in {@link reason}; every state but `ok` does. */
  readonly state: "ok" | "locked_by_os" | "evicted" | "in_use" | "disabled" | "error";
  readonly reason?: string;
  /** What would fix it, for a person, where the host knows: an adb line, say. */
  readonly fix?: string;
  readonly facing?: "back" | "front" | "external";
  readonly codecs: readonly ("h264" | "jpeg")[];
  /** Sizes on offer, largest first; empty when the host scales to any. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly maxFps: number }[];
  readonly torch?: boolean;
  readonly zoom?: { readonly min: number; readonly max: number };
  /** The largest picture that {@link Host.capture} gives; absent: the first of {@link sizes}. */
  readonly still?: { readonly width: number; readonly height: number };
};

/** One address of {@link Host.interfaces}. */
export type InterfaceInfo = {
  readonly name: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly loopback: boolean;
  readonly multicast: boolean;
};

/** Result of {@link Host.configRead} as JSON. */
export type ConfigReadResult =
  | { readonly state: "present"; readonly text: string }
  | { readonly state: "absent" }
  | { readonly state: "failed"; readonly reason: string };

/**
 * What {@link Host.configResult} is told as JSON of the text that the last `configRead("config")` gave or `configWrite`
 * took. A host that takes an operator's file over keeps `text` and gives back `masked`; where the file stays the operator's
 * own both mean nothing.
 */
export type ConfigResult =
  | {
      readonly state: "accepted";
      /** The same configuration with the HA1 in place of passwords; absent where there was none to read. */
      readonly text?: string;
      /** The same with a mask for each secret; coming back it means what it meant. */
      readonly masked?: string;
      /** Where logins come from now: nobody needs one, the configuration names them, or one is generated. */
      readonly logins: "off" | "configured" | "generated";
    }
  /** The running configuration stays in force. Key paths and what is wrong there, never a value. */
  | { readonly state: "refused"; readonly issues: readonly { readonly path: string; readonly message: string }[] };

/** What {@link Host.ready} is told as JSON once every listener is up. It is also what `--ready-file` holds. */
export type ReadyInfo = {
  readonly rtspPort: number;
  readonly httpPort: number;
  /** The same over TLS; 0 or absent: not served. `rtspPort` and `httpPort` are 0 where only TLS is. */
  readonly rtspsPort?: number;
  readonly httpsPort?: number;
  /** Login names; never a password, save a generated one: the file is readable by its owner only. */
  readonly users: readonly { readonly name: string; readonly password?: string }[];
  readonly authentication: boolean;
  readonly paths: { readonly rtsp: readonly string[]; readonly http: readonly string[] };
};

export interface Host {
  /** {@link CONTRACT_VERSION} of the host; the core refuses to start on another. */
  contractVersion(): number;

  // ── Loop ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The events since the last call, oldest first, as a JSON array of `HostEvent` (events.ts); `[]` when there are none.
   * Bounded by {@link EVENTS_MAX_BYTES}: what stays behind makes the next turn due at once. Called once a turn.
   */
  takeEvents(): string;

  // ── Listeners ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens a listening socket (JSON of {@link ListenSpec}). Then `listening`, or `closed` with the reason. */
  tcpListen(spec: string): HandleOrCode;
  /** Closes a listener; its accepted connections live on. No event follows. */
  listenerClose(listener: number): number;

  // ── Connections ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Connects out (JSON of {@link ConnectSpec}). Then `connected`, or `closed` with the reason. */
  tcpConnect(spec: string): HandleOrCode;
  /**
   * Offers control bytes to a connection without blocking. Control bytes leave in call order, between media packets, never
   * inside one, and ahead of media that has not begun.
   * @param bytes exact-size array; the host copies it before returning.
   * @returns bytes queued (all of them), or GONE, or FULL: nothing was taken, and one `writable` follows when half of
   *   {@link CONTROL_LANE_BYTES} is free again. An empty lane takes one write whatever its size.
   */
  tcpWrite(connection: number, bytes: Int8Array): CountOrCode;
  /** As {@link tcpWrite} with `length` bytes of a blob from `offset`. The blob may be released right after. */
  tcpWriteBlob(connection: number, blob: number, offset: number, length: number): CountOrCode;
  /**
   * Closes a connection and its outlet. No event of it follows, and it counts as GONE at once.
   * @param afterFlush true: the control lane and the rest of a begun media packet leave first, then FIN; without progress
   *   for {@link CLOSE_FLUSH_MAX_US} it is reset. false: reset now, dropping everything.
   */
  tcpClose(connection: number, afterFlush: boolean): number;
  /** Stops reading; the peer feels it as a full window. Events already taken from the kernel may still come. */
  tcpPause(connection: number): number;
  /** Reads on after {@link tcpPause}. */
  tcpResume(connection: number): number;

  // ── UDP ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens a datagram socket (JSON of {@link UdpSpec}). Then `opened`, or `closed` with the reason. */
  udpOpen(spec: string): HandleOrCode;
  /** Connects the socket: only that peer's datagrams arrive, and sends go to it. Port-unreachable becomes `refused`. */
  udpConnect(socket: number, address: string, port: number): number;
  /**
   * Sends one datagram, or drops it where the system would block.
   * @param bytes exact-size array, at most 65,507 bytes. `address` "" and `port` 0: the connected peer.
   */
  udpSend(socket: number, bytes: Int8Array, address: string, port: number): CountOrCode;
  /** Closes the socket and its outlet. No event of it follows. */
  udpClose(socket: number): number;
  /** The machine's addresses: JSON array of {@link InterfaceInfo}. The event `network` says when to ask again. */
  interfaces(): string;

  // ── Media in ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** JSON array of {@link CameraInfo}. The event `cameras` says when to ask again. */
  cameras(): string;
  /** Sets JSON `{torch?: boolean, zoom?: number, exposure?: number}` of a camera. OK, NOT_FOUND, UNSUPPORTED or INVALID. */
  cameraSet(name: string, settings: string): number;
  /**
   * Takes one still picture: JSON `{width, height, quality, rotation}`. Then `captured` with a blob, or `captureFailed`.
   * @returns a request number that the event repeats, or a Code.
   */
  capture(name: string, spec: string): HandleOrCode;
  /**
   * Opens a camera's encoder (JSON of {@link EncoderSpec}). Then `encoder` states; `format` before the first `frame`. The first
   * frame is a key frame. An encoder in state `failed` stays open and silent until the core closes it; retrying is the core's.
   */
  encoderOpen(spec: string): HandleOrCode;
  /** Closes an encoder; waiting frames are dropped and no event of it follows. */
  encoderClose(encoder: number): number;
  /** Aims at another bit rate, from the next frames on; no key frame is implied. UNSUPPORTED for JPEG. */
  encoderSetBitrate(encoder: number, bitsPerSecond: number): number;
  /** Sets JPEG quality, 1 … 100, from the next frame on. UNSUPPORTED for H.264. */
  encoderSetQuality(encoder: number, quality: number): number;
  /** Asks for a key frame as soon as the encoder can. OK for JPEG too, where every frame is one. */
  encoderRequestKeyFrame(encoder: number): number;

  // ── Media out ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens a bounded media queue in front of a destination (JSON of {@link OutletSpec}). */
  outletOpen(spec: string): HandleOrCode;
  /** Drops what is queued, save the rest of a packet already begun, and ends the outlet's memberships. */
  outletClose(outlet: number): number;
  /** JSON of {@link OutletStats}, or "" when the outlet is gone. */
  outletStats(outlet: number): string;
  /**
   * JSON of {@link WireAges}: how old units were, counted from their frame's capture, when the system took their last byte.
   * Of all outlets since the host began. Files don't count, nor what was skipped.
   */
  wireAges(): string;
  /** Makes a fan-out: one plan a frame for all outlets that are its members. */
  fanoutCreate(form: FanoutForm): HandleOrCode;
  /** Makes an outlet a member, waiting for the next key unit of this fan-out. Twice: OK, and it waits for a key again. */
  fanoutAdd(fanout: number, outlet: number): number;
  /** Ends a membership; its queued, unbegun units are dropped, but a begun one is finished. */
  fanoutRemove(fanout: number, outlet: number): number;
  /** Ends all memberships as {@link fanoutRemove} does. */
  fanoutClose(fanout: number): number;
  /**
   * Runs a gather plan once over a frame of this turn and offers the unit to every member.
   * @param frame the `frame` number of an event of this turn, or 0 for a plan without slices.
   * @param plan the program (README.md); the first `length` bytes of the buffer, which the host reads before returning.
   * @param key true when the unit can be decoded without earlier ones; it ends the members' waiting.
   * @returns the number of members that took the unit; INVALID when the plan is ill-formed or leaves the frame; GONE when the
   *   frame is no longer there. For frame 0 the unit's time is now.
   */
  fanoutSend(fanout: number, frame: number, plan: Int8Array, length: number, key: boolean): CountOrCode;

  // ── Blobs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps a frame of this turn past the turn's end. @returns a blob, GONE, or FULL past {@link BLOBS_MAX_BYTES}. */
  keepFrame(frame: number): HandleOrCode;
  /** Releases a blob; writes in flight keep their bytes. */
  blobRelease(blob: number): number;

  // ── Files: the app's own folder only; names match [A-Za-z0-9._-]{1,120}, do not begin with a dot and have no ".." ──────

  /** The operator's file (`config`) or what the core has stored itself (`state`): JSON of {@link ConfigReadResult}. */
  configRead(which: "config" | "state"): string;
  /**
   * Replaces it atomically: temporary file, sync, rename. OK, FAILED, or UNSUPPORTED where there is nowhere to keep it
   * (`npm start` without `--config`).
   */
  configWrite(which: "config" | "state", text: string): number;
  /**
   * What became of the operator's configuration (JSON of {@link ConfigResult}): at the start, after each `config` event, and
   * when the core itself has changed it or who may log in.
   * When the first text of a start is refused it is read once more, so that a host can go back to one that it took before;
   * only if that is refused too the start fails.
   */
  configResult(result: string): void;
  /** Opens JSON `{name, mode: "append" | "truncate"}` for writing. */
  fileOpen(spec: string): HandleOrCode;
  /** Appends bytes; FULL when more than 4 MiB wait for the disk. */
  fileAppend(file: number, bytes: Int8Array): CountOrCode;
  /** Asks that everything appended so far reach the disk. The event `synced` follows. */
  fileSync(file: number): number;
  fileClose(file: number): number;
  fileRename(from: string, to: string): number;
  fileDelete(name: string): number;
  /** JSON array of `{name, bytes, modifiedUs}` (wall clock). */
  fileList(): string;

  // ── Rest ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** JSON `[nowUs, wallUs]`, sampled together: the monotonic clock of all events, and the wall clock since 1970. */
  clock(): string;
  /** `count` (1 … 1,024) bytes from the system's cryptographic generator, as text. */
  random(count: number): string;
  /** One log record of one line. */
  log(level: "debug" | "info" | "warn" | "error", line: string): void;
  /** JSON object with what the device knows of itself: `{model?, battery?, charging?, temperature?, memoryBytes?, …}`. */
  deviceStatus(): string;
  /** Every listener is up: JSON of {@link ReadyInfo}. Once a start. */
  ready(info: string): void;
  /** A generated login, JSON `{name, password}`, for the owner's eyes only: a terminal, a guarded provider; never a log. */
  credentials(login: string): void;
  /**
   * The core has ended; `turn` is not called again. The host closes every handle, waits for flushes as `tcpClose` does, and
   * exits or restarts. @param code 0: asked to stop. 2: the operator's fault, `message` is one clear line. 1: a bug.
   *   3: asked to start again. The host then loads the core afresh and starts it with the same options; the configuration
   *   is read anew, ports and all, and `ready` is told again.
   */
  exit(code: number, message: string): void;
}
