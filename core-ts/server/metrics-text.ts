/**
 * `/metrics` in Prometheus' text format 0.0.4: what is counted (metrics.ts) and what is so now. Row 3.
 *
 * Names, labels and units follow Prometheus' conventions: base units, `_total` for counters. They are API: the dashboard in
 * docs/ and other people's alerts use them.
 */
import { WIRE_AGE_BOUNDS_US, type WireAges } from "../../bindings/contract/host.ts";
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import type { ServerContext } from "./context.ts";
import type { Histogram } from "./metrics.ts";

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** As a {@link Histogram} has it. */
type Spread = { readonly bounds: readonly number[]; readonly counts: readonly number[]; readonly sum: number };

/** Collects families of samples; each name is begun once. */
class Exposition {
  text = "";

  gauge(name: string, help: string, samples: readonly Sample[]): void {
    this.#family(name, "gauge", help, samples);
  }

  counter(name: string, help: string, samples: readonly Sample[]): void {
    this.#family(name, "counter", help, samples);
  }

  histogram(name: string, help: string, histograms: readonly (readonly [Labels, Spread])[]): void {
    this.#head(name, "histogram", help);
    for (const [labels, { bounds, counts, sum }] of histograms) {
      let count = 0;
      for (const [index, bound] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
        count += counts[index]!;
        this.#sample(`${name}_bucket`, { ...labels, le: numberText(bound) }, count);
      }
      this.#sample(`${name}_sum`, labels, sum);
      this.#sample(`${name}_count`, labels, count);
    }
  }

  /** A family without samples is left out: it says nothing. */
  #family(name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]): void {
    if (samples.length === 0) return;
    this.#head(name, type, help);
    for (const [labels, value] of samples) this.#sample(name, labels, value);
  }

  #head(name: string, type: string, help: string): void {
    this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
    this.text += `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${numberText(value)}\n`;
  }
}

export function renderMetrics(
  context: ServerContext,
  run: { readonly startedUs: Micros; readonly version: string; readonly host: string },
): string {
  const out = new Exposition();
  aboutServer(out, context, run);
  aboutStreams(out, context);
  aboutEncoders(out, context);
  aboutWebhooks(out, context);
  aboutDevice(out, context);
  return out.text;
}

function aboutServer(
  out: Exposition,
  context: ServerContext,
  { startedUs, version, host }: { readonly startedUs: Micros; readonly version: string; readonly host: string },
): void {
  const { runtime, admission, eventReaders } = context;
  const { metrics } = runtime;
  const { nowUs, wallUs } = runtime.clock();
  out.gauge("porthole_build_info", "Version, and the kind of host that it runs on.", [[{ version, host }, 1]]);
  out.gauge("porthole_start_time_seconds", "When the server started, in seconds since 1970.", [
    [{}, (wallUs - (nowUs - startedUs)) / MICROS_PER_SECOND],
  ]);
  out.counter("porthole_turns_total", "Turns of the server's loop.", [[{}, metrics.turns]]);
  out.histogram("porthole_turn_duration_seconds", "How long a turn takes; one in eight is timed.", [
    [{}, metrics.turnSeconds],
  ]);
  const { times } = context.watchdogs.loop;
  out.counter("porthole_slow_turns_total", "Times the loop was held up: by work (turn) or from outside (late).", [
    [{ kind: "turn" }, times.turn],
    [{ kind: "late" }, times.late],
  ]);
  out.gauge("porthole_connections", "Open TCP connections of clients.", [[{}, admission.connections]]);
  out.counter("porthole_connections_refused_total", "TCP connections refused because of a limit.", [
    [{}, admission.refused],
  ]);
  out.counter(
    "porthole_refused_total",
    "What was refused or ended because of a limit or a fault of the peer's, by reason (SECURITY.md).",
    Object.entries(runtime.refusals.counts).map(([reason, { total }]) => [{ reason }, total]),
  );
  out.counter("porthole_requests_held_total", "Requests that had to wait because of limits.requestsPerSecond.", [
    [{}, context.requestPace.held],
  ]);
  out.gauge("porthole_input_bytes", "Requests that are incomplete or wait for their turn.", [
    [{}, context.inputMemory.bytes],
  ]);
  out.counter("porthole_login_failures_total", "Wrong logins and stream tokens.", [
    [{ protocol: "rtsp" }, metrics.loginFailures.rtsp],
    [{ protocol: "http" }, metrics.loginFailures.http],
  ]);
  out.counter(
    "porthole_events_total",
    "Events of each type, as /api/events gives them.",
    [...metrics.events].map(([type, count]) => [{ type }, count]),
  );
  out.gauge("porthole_event_readers", "Open event streams.", [[{}, eventReaders.count]]);
}

function aboutStreams(out: Exposition, context: ServerContext): void {
  const { runtime, viewers, profiles } = context;
  const { metrics } = runtime;
  // Asking for their figures also brings the counters up to date.
  const list = viewers.list(runtime.nowUs);
  const clients = (protocol: "rtsp" | "http", transport: "udp" | "tcp" | "tls"): Sample => {
    const count = list.filter((each) => each.protocol === protocol && each.transport === transport).length;
    return [{ protocol, transport }, count];
  };
  out.gauge("porthole_clients", "RTSP sessions and MJPEG viewers.", [
    clients("rtsp", "udp"),
    clients("rtsp", "tcp"),
    clients("rtsp", "tls"),
    clients("http", "tcp"),
    clients("http", "tls"),
  ]);
  out.gauge(
    "porthole_profile_info",
    "Which encoder and which camera a profile shows now.",
    profiles.all().map(({ path, settings: { codec }, encoder }) => {
      return [{ path, codec, encoder: encoder.label, camera: encoder.spec.camera }, 1];
    }),
  );
  const sent = metrics.sent(new Set(profiles.all().map(({ path }) => path)));
  const each = (value: (one: (typeof sent)[number]) => number): Sample[] =>
    sent.map((one) => [{ path: one.path, protocol: one.protocol, transport: one.transport }, value(one)]);
  out.counter(
    "porthole_sent_frames_total",
    "Frames that the system has taken for viewers of a profile; a frame for two of them counts twice.",
    each(({ frames }) => frames),
  );
  out.counter(
    "porthole_sent_bytes_total",
    "Bytes of these frames, protocol headers included.",
    each(({ bytes }) => bytes),
  );
  out.counter(
    "porthole_skipped_frames_total",
    "Frames left out because a viewer was too slow for them.",
    each(({ skippedFrames }) => skippedFrames),
  );
  out.gauge("porthole_kept_pictures_bytes", "Pictures kept for ?cache= and as latest snapshots.", [
    [{}, context.keptPictures.bytes],
  ]);
  const ages = JSON.parse(runtime.host.wireAges()) as WireAges;
  const bounds = WIRE_AGE_BOUNDS_US.map((us) => us / MICROS_PER_SECOND);
  out.histogram(
    "porthole_wire_age_seconds",
    "From a frame's capture to its last byte for a viewer in the system's hands.",
    [
      [{ transport: "udp" }, { bounds, counts: ages.udp.counts, sum: ages.udp.sumUs / MICROS_PER_SECOND }],
      [{ transport: "tcp" }, { bounds, counts: ages.tcp.counts, sum: ages.tcp.sumUs / MICROS_PER_SECOND }],
    ],
  );
  out.histogram("porthole_first_picture_seconds", "From PLAY or GET to the first picture on its way.", [
    [{ protocol: "rtsp" }, metrics.firstPictureSeconds.rtsp],
    [{ protocol: "http" }, metrics.firstPictureSeconds.http],
  ]);
}

function aboutEncoders(out: Exposition, { runtime, profiles, cameras }: ServerContext): void {
  const encoders = profiles.encoders().map((encoder) => ({ encoder, figures: encoder.figures(runtime.nowUs) }));
  const each = (value: (one: (typeof encoders)[number]) => number): Sample[] =>
    encoders.map((one) => [{ encoder: one.encoder.label }, value(one)]);
  out.gauge(
    "porthole_camera_ok",
    "1 for a camera that can be used, 0 for one that can't; /api/status says why.",
    cameras.names().map((camera) => [{ camera }, cameras.stateOf(camera).state === "ok" ? 1 : 0]),
  );
  out.gauge(
    "porthole_encoder_running",
    "1 while an encoder gives pictures.",
    each(({ encoder }) => (encoder.state === "running" ? 1 : 0)),
  );
  out.counter(
    "porthole_encoder_frames_total",
    "Frames that an encoder has given.",
    each(({ figures }) => figures.frames),
  );
  out.counter(
    "porthole_encoder_bytes_total",
    "Bytes of these frames.",
    each(({ figures }) => figures.bytes),
  );
  out.counter(
    "porthole_encoder_dropped_frames_total",
    "Frames that the host dropped because the server was late.",
    each(({ figures }) => figures.hostDropped),
  );
  out.counter(
    "porthole_encoder_opened_total",
    "How often an encoder was opened.",
    each(({ figures }) => figures.opened),
  );
  out.counter(
    "porthole_encoder_failures_total",
    "How often an encoder failed or could not be opened.",
    each(({ figures }) => figures.failed),
  );
  const adapted = encoders.flatMap(({ encoder }) => {
    const adaptation = profiles.adaptationOf(encoder);
    return adaptation === undefined ? [] : [{ encoder: encoder.label, adaptation, now: adaptation.figures() }];
  });
  /** Prometheus wants base units: bytes. */
  const bytes = (bits: number | null): number | null => (bits === null ? null : bits / 8);
  const ofAdapted = (value: (one: (typeof adapted)[number]) => number | null): Sample[] =>
    adapted.flatMap((one): Sample[] => {
      const sample = value(one);
      return sample === null ? [] : [[{ encoder: one.encoder }, sample]];
    });
  out.gauge(
    "porthole_encoder_target_bytes_per_second",
    "What an encoder aims at for its viewers' networks.",
    ofAdapted(({ now }) => bytes(now.targetBitrate)),
  );
  out.gauge(
    "porthole_encoder_ceiling_bytes_per_second",
    "What it would aim at for good ones.",
    ofAdapted(({ now }) => bytes(now.ceilingBitrate)),
  );
  out.gauge(
    "porthole_encoder_floor_bytes_per_second",
    "What it never goes below.",
    ofAdapted(({ now }) => bytes(now.floorBitrate)),
  );
  out.gauge(
    "porthole_viewers_below_floor",
    "Viewers whose networks bear less than that; they are skipped to key frames.",
    ofAdapted(({ now }) => now.belowFloor),
  );
  out.counter(
    "porthole_encoder_adaptations_total",
    "How often the aim was changed.",
    adapted.flatMap(({ encoder, adaptation }): Sample[] => [
      [{ encoder, direction: "down" }, adaptation.changes.down],
      [{ encoder, direction: "up" }, adaptation.changes.up],
    ]),
  );
  const { h264, jpeg } = runtime.metrics.frameAgeSeconds;
  out.histogram("porthole_frame_age_seconds", "From a frame's capture to the turn that sends it off.", [
    [{ codec: "h264" }, h264],
    [{ codec: "jpeg" }, jpeg],
  ]);
}

function aboutWebhooks(out: Exposition, { webhooks }: ServerContext): void {
  const figures = webhooks.figures();
  const each = (value: (one: (typeof figures)[number]) => number): Sample[] =>
    figures.map((one) => [{ hook: one.hook }, value(one)]);
  out.gauge(
    "porthole_webhook_queue_events",
    "Events that wait for a webhook.",
    each(({ waiting }) => waiting),
  );
  out.counter(
    "porthole_webhook_delivered_total",
    "Events that a webhook has taken.",
    each(({ delivered }) => delivered),
  );
  out.counter(
    "porthole_webhook_failed_tries_total",
    "Tries that a webhook did not take.",
    each(({ failedTries }) => failedTries),
  );
  out.counter(
    "porthole_webhook_lost_total",
    "Events given up after too many tries, or dropped because too many waited.",
    each(({ lost }) => lost),
  );
}

/** Hosts tell what they know; nothing is made up for the rest. */
function aboutDevice(out: Exposition, { runtime }: ServerContext): void {
  const device = JSON.parse(runtime.host.deviceStatus()) as Readonly<Record<string, unknown>>;
  const one = (value: unknown, scale = 1): Sample[] =>
    typeof value === "number" && Number.isFinite(value) ? [[{}, value * scale]] : [];
  out.gauge("porthole_battery_ratio", "How full the battery is, 0 to 1.", one(device.battery, 0.01));
  out.gauge(
    "porthole_charging",
    "1 while the device is plugged in.",
    typeof device.charging === "boolean" ? [[{}, device.charging ? 1 : 0]] : [],
  );
  out.gauge("porthole_temperature_celsius", "Temperature of the battery.", one(device.temperature));
  out.gauge("porthole_memory_bytes", "Memory that the server's process uses.", one(device.memoryBytes));
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}
