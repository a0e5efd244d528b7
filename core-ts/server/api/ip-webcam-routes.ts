/**
 * The paths of the app IP Webcam, so that what is made for it works with this server: Home Assistant's integration through
 * the library pydroid-ipcam, for one. Row 3.
 *
 * They mean one camera: the first MJPEG stream, whatever camera it shows now. What changes something is a GET here, so it is
 * refused to pages of other sites like any other change. `http.ipWebcam` switches all of them off.
 */
import type { ServerContext } from "../context.ts";
import type { StreamProfile } from "../profiles.ts";
import { ApiFault } from "./api-fault.ts";
import { setQuality, setTorch, setZoom, switchCamera } from "./command-routes.ts";
import { type Answer, type Call, type Route, route } from "./route.ts";
import { integer, list, number, object, oneOf, record, type Schema, text } from "./schema.ts";
import { streamRoutes } from "./stream-routes.ts";

/** Zoom in percent, as IP Webcam counts it. */
const WHOLE_PICTURE_PERCENT = 100;

const STATUS = object(
  {
    video_connections: integer({ description: "Who watches, whatever stream." }),
    audio_connections: integer({ description: "0: there is no sound." }),
    curvals: record(text(), { description: "Settings as text: `on`, `off` or a number." }),
  },
  { avail: record(list(text()), { description: "What each setting may be; with `show_avail=1`." }) },
);
const SENSORS = record(
  object({
    unit: text(),
    data: list({ type: "array" } as Schema, { description: "`[time in ms since 1970, [value]]`, the newest last." }),
  }),
  { description: "What the device knows of itself: `battery_level` and `battery_temp`." },
);
const DONE: Answer = { description: "`Ok`: it is so now", contentType: "text/plain" };
const NO_STREAM = "there is no MJPEG stream, or these paths are switched off";

type Bare = Call<Readonly<Record<never, never>>, unknown>;

/** The same as a route of the streams, for the first MJPEG stream. */
function alias(path: string, of: string, summary: string): Route {
  const original = streamRoutes.find((one) => one.path === of)!;
  const { tag, role, changes, answers, endless = false, errors = {} } = original;
  return route({
    ...{ method: "GET", path, tag, role, changes, answers, endless, summary },
    description: `As \`${of}\` for the first MJPEG stream. A path of IP Webcam.`,
    query: { token: original.query.token as Schema<string> },
    errors: { ...errors, 404: NO_STREAM },
    // A stream of the operator's own with that path goes first.
    finds: (context) => isServed(context) && context.profiles.jpegByHttpKey(path) === undefined,
    shows: firstStream,
    answer: (call) => {
      const params = { stream: requireStream(call.context).key.slice(1) };
      original.answer({ ...call, params } as Call<never, never, never>);
    },
  });
}

/** A GET that changes something. */
function change(path: string, summary: string, run: (context: ServerContext, stream: StreamProfile) => void): Route {
  return route({
    ...{ method: "GET", path, tag: "commands", role: "admin", changes: true, summary },
    description: "Of the camera that the first MJPEG stream shows. A path of IP Webcam.",
    answers: { 200: DONE },
    errors: { 404: NO_STREAM, 409: "the camera has no lamp, or the host refuses" },
    finds: isServed,
    answer: (call) => {
      run(call.context, requireStream(call.context));
      replyOk(call);
    },
  });
}

export const ipWebcamRoutes: readonly Route[] = [
  alias("/video", "/{stream+}", "The first camera's pictures as MJPEG"),
  alias("/shot.jpg", "/{stream+}/snapshot.jpg", "The first camera's next picture"),
  alias("/photo.jpg", "/{stream+}/snapshot.jpg", "The first camera's next picture, by another name"),
  route({
    method: "GET",
    path: "/status.json",
    tag: "state",
    role: "viewer",
    changes: false,
    summary: "Settings and connections, as IP Webcam tells them",
    query: { show_avail: oneOf(["0", "1"], { description: "1: with what each setting may be." }) },
    answers: { 200: { description: "The state now", schema: STATUS } },
    errors: { 404: NO_STREAM },
    finds: isServed,
    answer: ({ exchange, context, query }) => {
      const { current, available } = settingsOf(context, requireStream(context));
      const status = { video_connections: context.viewers.count, audio_connections: 0, curvals: current };
      exchange.replyJson(200, JSON.stringify(query.show_avail === "1" ? { ...status, avail: available } : status));
    },
  }),
  route({
    method: "GET",
    path: "/sensors.json",
    tag: "state",
    role: "viewer",
    changes: false,
    summary: "Battery and temperature, as IP Webcam tells them",
    answers: { 200: { description: "The state now; nothing that the device does not know", schema: SENSORS } },
    errors: { 404: "these paths are switched off" },
    finds: isServed,
    answer: ({ exchange, context }) => exchange.replyJson(200, JSON.stringify(sensorsOf(context))),
  }),
  route({
    method: "GET",
    path: "/settings/{key}",
    tag: "commands",
    role: "admin",
    changes: true,
    summary: "Sets one thing of the first camera, as IP Webcam does",
    description:
      "`quality?set=50` (1 to 100), `ffc?set=on` or `off` (the stream shows the front camera or the back one, as with the command " +
      "switch-camera), `torch?set=on` or `off`, `ptz?zoom=200` (percent; 100 is the whole picture).",
    params: { key: oneOf(["quality", "ffc", "torch", "ptz"]) },
    query: {
      set: text({ maxLength: 16, description: "The value: `on`, `off` or a number.", examples: ["50"] }),
      zoom: number({ minimum: 0, maximum: 100_000, description: "Of `ptz`, in percent.", examples: [200] }),
    },
    answers: { 200: DONE },
    errors: {
      400: "the value is missing, or not what it must be",
      404: `no such setting, or ${NO_STREAM}`,
      409: "the camera has no lamp, no zoom or no other side, or the host refuses",
      422: "beyond what the camera has",
    },
    finds: isServed,
    answer: (call) => {
      const { context, params, query } = call;
      const stream = requireStream(context);
      const { camera } = stream.encoder.spec;
      if (params.key === "quality") setQuality(context, { profile: stream.path, quality: percentOf(query.set) });
      else if (params.key === "torch") setTorch(context, { camera, on: isOn(query.set) });
      else if (params.key === "ffc") {
        switchCamera(context, { profile: stream.path, camera: cameraFacing(context, isOn(query.set)) });
      } else if (query.zoom === undefined) throw badValue("query.zoom", "a number of percent");
      else setZoom(context, { camera, zoom: query.zoom / WHOLE_PICTURE_PERCENT });
      replyOk(call);
    },
  }),
  change("/enabletorch", "Switches the first camera's lamp on", (context, { encoder }) =>
    setTorch(context, { camera: encoder.spec.camera, on: true }),
  ),
  change("/disabletorch", "Switches the first camera's lamp off", (context, { encoder }) =>
    setTorch(context, { camera: encoder.spec.camera, on: false }),
  ),
];

function isServed(context: ServerContext): boolean {
  return context.config.http.ipWebcam;
}

function firstStream(context: ServerContext): StreamProfile | undefined {
  return context.profiles.all().find(({ mjpeg }) => mjpeg !== undefined);
}

function requireStream(context: ServerContext): StreamProfile {
  const stream = firstStream(context);
  if (stream !== undefined) return stream;
  throw new ApiFault("no-such-profile", 404, "there is no MJPEG profile", { path: "path" });
}

function replyOk({ exchange }: Pick<Bare, "exchange">): void {
  const headers = [
    ["Content-Type", "text/plain"],
    ["Cache-Control", "no-store"],
  ] as const;
  exchange.reply(200, headers, "Ok");
}

/** The settings that there are on this device, and what they may be. */
function settingsOf(context: ServerContext, { encoder, settings }: StreamProfile) {
  const { cameras } = context;
  const { camera, quality = settings.quality } = encoder.spec;
  const { torch = false, zoom = 1 } = cameras.settingsOf(camera);
  const info = cameras.infoOf(camera);
  const onOff = (on: boolean): string => (on ? "on" : "off");
  const current: Record<string, string> = { quality: String(quality) };
  const available: Record<string, readonly string[]> = {
    quality: Array.from({ length: 100 }, (_, i) => String(i + 1)),
  };
  const flags = {
    ...(findFacing(context, true) === undefined || findFacing(context, false) === undefined
      ? {}
      : { ffc: isFront(context, camera) }),
    ...(info?.torch === true ? { torch } : {}),
  };
  for (const [name, on] of Object.entries(flags)) {
    current[name] = onOff(on);
    available[name] = ["on", "off"];
  }
  if (info?.zoom !== undefined) current.zoom = String(Math.round(zoom * WHOLE_PICTURE_PERCENT));
  return { current, available };
}

function sensorsOf(context: ServerContext): Record<string, { unit: string; data: unknown[] }> {
  const device = JSON.parse(context.runtime.host.deviceStatus()) as Readonly<Record<string, unknown>>;
  const timeMs = Math.floor(context.runtime.clock().wallUs / 1_000);
  const sensors: Record<string, { unit: string; data: unknown[] }> = {};
  for (const [key, value, unit] of [
    ["battery_level", device.battery, "%"],
    // Home Assistant knows this sign for degrees, and not the single character that IP Webcam sends.
    ["battery_temp", device.temperature, "°C"],
  ] as const) {
    if (typeof value === "number") sensors[key] = { unit, data: [[timeMs, [value]]] };
  }
  return sensors;
}

function isFront({ cameras }: ServerContext, name: string): boolean {
  return (cameras.infoOf(name)?.facing ?? name) === "front";
}

/** Among the cameras that the device has. */
function findFacing(context: ServerContext, front: boolean): string | undefined {
  const { cameras } = context;
  return cameras.names().find((name) => cameras.infoOf(name) !== undefined && isFront(context, name) === front);
}

function cameraFacing(context: ServerContext, front: boolean): string {
  const found = findFacing(context, front);
  if (found !== undefined) return found;
  const side = front ? "front" : "back";
  throw new ApiFault("no-such-camera", 409, `this device has no ${side} camera`, { path: "query.set" });
}

function isOn(value: string | undefined): boolean {
  if (value === "on" || value === "off") return value === "on";
  throw badValue("query.set", "on or off");
}

function percentOf(value: string | undefined): number {
  const percent = /^[0-9]{1,3}$/.test(value ?? "") ? Number(value) : 0;
  if (percent >= 1 && percent <= 100) return percent;
  throw badValue("query.set", "a whole number from 1 to 100");
}

function badValue(path: string, expected: string): ApiFault {
  return new ApiFault("bad-parameter", 400, `must be ${expected}`, { path });
}
