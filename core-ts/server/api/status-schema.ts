/**
 * The shape of `/api/status`, for the documents and for generated clients. What makes it is ../status.ts. Row 3.
 */
import { flag, integer, list, nullable, number, object, oneOf, type Schema, text } from "./schema.ts";

const TIME = text({ format: "date-time" });
const COUNT = integer({ minimum: 0 });
const CAMERA_STATES = ["ok", "locked_by_os", "evicted", "in_use", "disabled", "error"] as const;
const ENCODER_STATES = ["idle", "starting", "running", "failed"] as const;
const CODEC = oneOf(["h264", "jpeg"]);
const FPS = number({ minimum: 0, description: "Frames a second over the last 2 s." });
const BITRATE = integer({ minimum: 0, description: "Bits a second over the last 2 s." });

const SERVER = object({
  name: text(),
  time: TIME,
  since: TIME,
  uptimeSeconds: COUNT,
  clients: COUNT,
  connections: COUNT,
  connectionsRefused: COUNT,
  eventStreams: COUNT,
  mjpegServer: oneOf(["running", "stopped"]),
  rtspPort: nullable(integer({ minimum: 0, description: "Where RTSP is served; null where it is not." })),
  rtspsPort: nullable(integer({ minimum: 0, description: "Where RTSPS is served; null where it is not." })),
  loop: object({
    state: oneOf(["ok", "slow"], { description: "`slow`: held up within the last minute." }),
    reason: nullable(text()),
    slowTurns: integer({ minimum: 0, description: "Turns that took 250 ms or more." }),
    lateTurns: integer({ minimum: 0, description: "Seconds in which a turn began 500 ms late or more." }),
    longestTurnMs: integer({ minimum: 0, description: "Of the slow ones; 0 without any." }),
  }),
  listeners: list(
    object({
      protocol: oneOf(["rtsp", "http"]),
      address: text(),
      port: integer({ minimum: 0, description: "In use, or wished for." }),
      state: oneOf(["opening", "listening", "lost"]),
      reason: nullable(text({ description: "Why it is lost; it is tried again." })),
      tls: flag({ description: "RTSPS or HTTPS." }),
      fingerprint: nullable(text({ description: "SHA-256 of the certificate that it shows, in hexadecimal." })),
    }),
  ),
});

const CAMERA = object(
  {
    name: text(),
    state: oneOf(CAMERA_STATES),
    facing: nullable(text()),
    sizes: list(object({ width: COUNT, height: COUNT, maxFps: number() })),
    torch: flag({ description: "Whether it has a lamp." }),
    zoom: nullable(object({ min: number(), max: number() })),
  },
  {
    reason: text({ description: "Why it is not `ok`." }),
    fix: text({ description: "What would help, for a person." }),
  },
);

const LINK_REASON = nullable(
  text({ description: "What is wrong with its network: `loss`, `round-trip`, `age`, `skipped` or `stalled`." }),
);

const ADAPTATION = object(
  {
    enabled: flag({ description: "As configured." }),
    state: oneOf(["off", "unable", "full", "reduced"], {
      description: "`unable`: this camera's encoder can't change its rate. `reduced`: smaller than configured.",
    }),
    targetBitrate: nullable(integer({ minimum: 0, description: "Bits a second that are aimed at." })),
    floorBitrate: nullable(integer({ minimum: 0, description: "Never less." })),
    ceilingBitrate: nullable(integer({ minimum: 0, description: "Never more; of MJPEG an estimate." })),
    quality: nullable(integer({ minimum: 1, maximum: 100, description: "MJPEG: aimed at." })),
    fps: nullable(number({ minimum: 0, description: "MJPEG: frames a second let through." })),
    leader: nullable(integer({ minimum: 1, description: "The client that the rate is for; null when it is whole." })),
    reason: LINK_REASON,
    belowFloor: integer({ minimum: 0, description: "Clients whose networks bear less than the floor." }),
  },
  {},
  { description: "How the stream follows its viewers' networks (docs/adaptation.md)." },
);

const ENCODER = object({
  label: text(),
  camera: text(),
  codec: CODEC,
  state: oneOf(ENCODER_STATES),
  reason: nullable(text()),
  users: COUNT,
  width: nullable(COUNT),
  height: nullable(COUNT),
  fps: FPS,
  bitrate: BITRATE,
  frames: COUNT,
  bytes: COUNT,
  droppedByHost: COUNT,
  opened: COUNT,
  leftOut: integer({ minimum: 0, description: "MJPEG: pictures left out for viewers' networks." }),
  adaptation: nullable(ADAPTATION),
  failed: integer({ minimum: 0, description: "How often it failed or could not be opened." }),
  silentTimes: integer({ minimum: 0, description: "How often in a row it fell silent and was opened anew." }),
});

const PROFILE = object({
  path: text(),
  camera: text({ description: "The camera that it shows now." }),
  configuredCamera: text(),
  codec: oneOf(["h264", "mjpeg"]),
  rtsp: flag({ description: "Whether it is served over RTSP too." }),
  encoder: text({ description: "Label of its encoder." }),
  state: oneOf(ENCODER_STATES),
  reason: nullable(text()),
  fps: FPS,
  bitrate: BITRATE,
  targetBitrate: nullable(integer({ description: "H.264: bits a second that the encoder aims at." })),
  quality: nullable(integer({ description: "MJPEG: 1 … 100." })),
  players: COUNT,
  packets: COUNT,
});

const CLIENT = object({
  id: integer({ minimum: 1, description: "For DELETE /api/clients/{id}; never used again." }),
  protocol: oneOf(["rtsp", "http"]),
  path: text(),
  address: text(),
  user: nullable(text()),
  userAgent: nullable(text()),
  transport: oneOf(["udp", "tcp", "tls"]),
  state: oneOf(["ready", "playing"]),
  since: TIME,
  seconds: COUNT,
  sentBytes: COUNT,
  sentFrames: COUNT,
  skippedFrames: integer({ minimum: 0, description: "Left out because this client was too slow." }),
  stalledSeconds: integer({
    minimum: 0,
    description: "TCP: its socket takes nothing for so long though media waits; past 30 it is closed.",
  }),
  loss: nullable(
    object(
      { fraction: number(), packets: COUNT, jitterMs: number() },
      {},
      { description: "From receiver reports, without what was skipped; null before the first." },
    ),
  ),
  link: nullable(
    object(
      {
        bitrate: integer({ minimum: 0, description: "Bits a second that its network is taken to bear." }),
        belowFloor: flag({ description: "It is skipped to key frames, and nobody is slowed down for it." }),
        reason: LINK_REASON,
      },
      {},
      { description: "Null where that isn't looked at: adaptation is off, or it doesn't play." },
    ),
  ),
  roundTripMs: nullable(number()),
});

const WEBHOOK = object({
  hook: text({
    description: "`host:port`, with a number behind it where there are several; the path may be a secret.",
  }),
  state: oneOf(["ok", "failing"]),
  lastError: nullable(text({ description: "Why the last try was not taken; null again after a success." })),
  waiting: integer({ minimum: 0, description: "Events in its queue, at most 256." }),
  delivered: COUNT,
  failedTries: COUNT,
  lost: integer({ minimum: 0, description: "Given up after ten tries, or dropped from the full queue." }),
});

export const STATUS: Schema = object({
  server: SERVER,
  cameras: list(CAMERA),
  encoders: list(ENCODER),
  profiles: list(PROFILE),
  clients: list(CLIENT),
  webhooks: list(WEBHOOK),
  device: { type: "object", description: "What the device knows of itself; keys differ from host to host." },
});
