/**
 * What a host tells the core: the elements of the JSON array of `takeEvents()`.
 *
 * Order holds within a handle. `closed` is a handle's last event, and nothing follows the core's own close.
 * Bytes (`data`, `head`) are text: one char a byte, byte 0 as U+0100.
 */

/** A numeric address, without brackets or scope, IPv4-mapped ones as IPv4. */
export type Endpoint = { readonly address: string; readonly port: number };

/**
 * Why a handle ended. `end`: the peer closed and everything was read. `tls`: a certificate is no good (ours, and then `detail`
 * is one line for the operator; or the peer's), or a peer's records are none. Anything else goes into logs as it is.
 */
export type CloseReason =
  | "end"
  | "reset"
  | "timeout"
  | "refused"
  | "unreachable"
  | "in-use"
  | "denied"
  | "not-found"
  | "tls"
  | "failed";

export type HostEvent =
  // Listeners and connections
  | {
      readonly type: "listening";
      readonly handle: number;
      readonly address: string;
      readonly port: number;
      /** With TLS: SHA-256 of the certificate in hexadecimal, lower case, by which a client knows it. */
      readonly fingerprint?: string;
    }
  | {
      readonly type: "accepted";
      readonly handle: number;
      readonly listener: number;
      readonly local: Endpoint;
      readonly peer: Endpoint;
    }
  | { readonly type: "connected"; readonly handle: number; readonly local: Endpoint; readonly peer: Endpoint }
  | { readonly type: "received"; readonly handle: number; readonly data: string }
  /**
   * The peer has sent FIN, or over TLS close_notify: nothing more will be received, sending still works. Once, after the last
   * `received`.
   */
  | { readonly type: "ended"; readonly handle: number }
  | { readonly type: "writable"; readonly handle: number }
  /** Of a listener, a connection, a UDP socket or a file; `detail` is for the log only. */
  | { readonly type: "closed"; readonly handle: number; readonly reason: CloseReason; readonly detail?: string }
  // UDP
  | { readonly type: "opened"; readonly handle: number; readonly address: string; readonly port: number }
  | { readonly type: "datagram"; readonly handle: number; readonly from: Endpoint; readonly data: string }
  /** ICMP port-unreachable on a connected socket. The socket stays open. At most one a second and socket. */
  | { readonly type: "refused"; readonly handle: number }
  /** Addresses changed: ask `interfaces()`. */
  | { readonly type: "network" }
  // Media in
  /** The list or a state changed: ask `cameras()`. */
  | { readonly type: "cameras" }
  | {
      readonly type: "encoder";
      readonly handle: number;
      /** `failed` and `ended` are final for this handle. */
      readonly state: "starting" | "running" | "failed" | "ended";
      /** One line for a person; on every state but `running`. */
      readonly reason?: string;
    }
  | {
      readonly type: "format";
      readonly handle: number;
      readonly codec: "h264" | "jpeg";
      readonly width: number;
      readonly height: number;
      /** H.264: SPS and PPS NAL units without start codes, as text. JPEG: none. */
      readonly parameterSets: readonly string[];
    }
  | FrameEvent
  | {
      readonly type: "captured";
      readonly handle: number;
      readonly blob: number;
      readonly length: number;
      /** Capture time on the host's clock, and the real size in pixels; absent where the host does not know. */
      readonly timeUs?: number;
      readonly width?: number;
      readonly height?: number;
    }
  | { readonly type: "captureFailed"; readonly handle: number; readonly reason: string }
  // Media out
  | SkippedEvent
  // Files
  | { readonly type: "synced"; readonly handle: number }
  /** The operator's file changed on disk: ask `configRead("config")`. */
  | { readonly type: "config" }
  /** The host is asked to stop (a signal, the service's end): say goodbye, then `exit`. */
  | { readonly type: "stop" };

/** One encoded frame. Its bytes are the host's; they can be planned and kept until the turn that took this event ends. */
export type FrameEvent = {
  readonly type: "frame";
  /** The encoder. */
  readonly handle: number;
  /** Number of this frame, unique in the run, for `fanoutSend` and `keepFrame`. Never 0. */
  readonly frame: number;
  /** Capture time in microseconds of the host's clock. Rises within an encoder. */
  readonly timeUs: number;
  /** H.264: the access unit holds an IDR slice. JPEG: always true. */
  readonly key: boolean;
  /** Bytes of the whole frame as the codec gave it; units and slices lie within. */
  readonly length: number;
  /**
   * H.264: one a NAL unit, without start codes. JPEG: two, the headers (SOI through the SOS header's end) and the
   * entropy-coded scan without EOI.
   */
  readonly units: readonly FrameUnit[];
  /** Frames of this encoder that the host dropped just before this one because turns came too late. Absent for 0. */
  readonly dropped?: number;
};

export type FrameUnit = {
  readonly offset: number;
  readonly length: number;
  /** The unit's first bytes: H.264 2, or the whole unit up to 512 for parameter sets and SEI; JPEG headers up to 2,048, scan none. */
  readonly head: string;
};

/** What an outlet dropped by overflow, batched: at most one event a turn for each membership. */
export type SkippedEvent = {
  readonly type: "skipped";
  /** The outlet. */
  readonly handle: number;
  readonly fanout: number;
  /** First and last frame dropped since the last report, both inclusive; 0 for plans without a frame. */
  readonly first: number;
  readonly last: number;
  readonly frames: number;
  readonly bytes: number;
};
