/**
 * Commands. Row 3.
 *
 * Each says what shall be so, not what shall be flipped: sent twice, or by two at once, it does nothing the second time.
 * Nothing here is written to the configuration: it lasts until the server starts again, and what concerns a profile until
 * the configuration changes that profile.
 */
import type { CameraInfo } from "../../../bindings/contract/host.ts";
import { Code } from "../../../bindings/contract/host.ts";
import { describeState } from "../cameras.ts";
import type { ServerContext } from "../context.ts";
import type { StreamProfile } from "../profiles.ts";
import { ApiFault } from "./api-fault.ts";
import { type Route, route } from "./route.ts";
import { type Fields, flag, integer, number, object, type Schema, text, type ValueOf } from "./schema.ts";

const CAMERA = text({ minLength: 1, maxLength: 64, description: "A camera's name.", examples: ["back"] });
const PROFILE = text({
  minLength: 1,
  maxLength: 128,
  description: "A profile's path; case does not matter.",
  examples: ["/live/back"],
});
const CHANGED = object({ changed: flag({ description: "False when it was so already." }) });

const NO_CAMERA = { 404: "no such camera" };
const NO_PROFILE = { 404: "no such profile" };

/** A command with a body. @param run returns whether anything changed. */
function command<const Body extends Schema>(
  name: string,
  summary: string,
  spec: {
    readonly body: Body;
    readonly description?: string;
    readonly errors?: Readonly<Record<number, string>>;
    readonly run: (context: ServerContext, body: ValueOf<Body>) => boolean;
  },
): Route {
  return route({
    method: "POST",
    path: `/api/commands/${name}`,
    tag: "commands",
    role: "admin",
    changes: true,
    summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    body: spec.body as Schema<ValueOf<Body>>,
    answers: { 200: { description: "It is so now", schema: CHANGED } },
    ...(spec.errors === undefined ? {} : { errors: spec.errors }),
    answer: ({ exchange, context, body }) => {
      exchange.replyJson(200, JSON.stringify({ changed: spec.run(context, body) }));
    },
  });
}

/** The body `{camera, …}` or `{profile, …}` of most commands. */
const ofCamera = <More extends Fields>(more: More) => object({ camera: CAMERA, ...more });
const ofProfile = <More extends Fields>(more: More) => object({ profile: PROFILE, ...more });

export const commandRoutes: readonly Route[] = [
  command("start-camera", "Lets a stopped camera be used again", {
    body: ofCamera({}),
    errors: { ...NO_CAMERA, 409: "the configuration keeps the camera shut" },
    run: (context, { camera }) => {
      requireCamera(context, camera);
      if (context.config.cameras[camera]?.enabled === false) {
        throw new ApiFault("camera-disabled", 409, describeState(context.cameras.stateOf(camera)), { path: "camera" });
      }
      if (!context.cameras.start(camera)) return false;
      tellCameraState(context, camera);
      for (const encoder of context.profiles.encoders()) if (encoder.spec.camera === camera) encoder.retryNow();
      return true;
    },
  }),
  command("stop-camera", "Shuts a camera", {
    description:
      "Its encoders are closed and its state is `disabled` until start-camera, or until the server starts again. Who watches " +
      "is not sent away: pictures go on when it is started.",
    body: ofCamera({}),
    errors: NO_CAMERA,
    run: (context, { camera }) => {
      requireCamera(context, camera);
      if (!context.cameras.stop(camera)) return false;
      tellCameraState(context, camera);
      const why = describeState(context.cameras.stateOf(camera));
      for (const encoder of context.profiles.encoders())
        if (encoder.spec.camera === camera) encoder.onCameraStopped(why);
      return true;
    },
  }),
  command("start-mjpeg-server", "Serves MJPEG streams over HTTP again", {
    body: object({}),
    run: ({ mjpegServer }) => mjpegServer.start(),
  }),
  command("stop-mjpeg-server", "Ends MJPEG streams over HTTP and refuses new ones with 503", {
    description: "Snapshots and RTSP go on.",
    body: object({}),
    run: ({ mjpegServer }) => mjpegServer.stop(),
  }),
  command("switch-camera", "Moves a profile to another camera while it is watched", {
    description:
      "Viewers keep watching; RTP sequence numbers and timestamps go on, and the first picture is a key frame. MJPEG " +
      "profiles of one camera and size share an encoder and move together.",
    body: ofProfile({ camera: CAMERA }),
    errors: { 404: "no such profile or camera", 409: "the camera can't be used now, or lacks the profile's codec" },
    run: switchCamera,
  }),
  command("request-key-frame", "Asks a profile's encoder for a key frame", {
    description: "Requests are merged and bounded; nothing happens while nobody watches the profile.",
    body: ofProfile({}),
    errors: NO_PROFILE,
    run: (context, { profile }) => {
      const { encoder } = requireProfile(context, profile);
      encoder.requestKeyFrame();
      return encoder.state === "running";
    },
  }),
  command("set-bitrate", "Sets an H.264 profile's bit rate", {
    description: "From the next frames on, and until the configuration changes the profile or the server starts again.",
    body: ofProfile({
      bitrate: integer({
        minimum: 50_000,
        maximum: 50_000_000,
        description: "Bits per second.",
        examples: [1_000_000],
      }),
    }),
    errors: { ...NO_PROFILE, 409: "the profile is MJPEG, or the host refuses" },
    run: (context, { profile, bitrate }) => {
      const { encoder } = requireProfile(context, profile);
      requireCodec(encoder.spec.codec, "h264", "only H.264 profiles have a bit rate");
      if (encoder.spec.bitrate === bitrate) return false;
      requireDone(encoder.setBitrate(bitrate), "bitrate");
      return true;
    },
  }),
  command("set-quality", "Sets an MJPEG profile's quality", {
    description: "As set-bitrate. MJPEG profiles of one camera and size share an encoder, and so the quality.",
    body: ofProfile({ quality: integer({ minimum: 1, maximum: 100, description: "JPEG quality, 100 is best." }) }),
    errors: { ...NO_PROFILE, 409: "the profile is H.264, or the host refuses" },
    run: setQuality,
  }),
  command("set-torch", "Switches a camera's lamp", {
    body: ofCamera({ on: flag() }),
    errors: { ...NO_CAMERA, 409: "the camera has no lamp, or the host refuses" },
    run: setTorch,
  }),
  command("set-zoom", "Sets a camera's zoom", {
    body: ofCamera({ zoom: number({ minimum: 0, maximum: 1_000, description: "Factor; 1 is the whole picture." }) }),
    errors: { ...NO_CAMERA, 409: "the camera has no zoom, or the host refuses", 422: "beyond what the camera has" },
    run: setZoom,
  }),
  route({
    method: "POST",
    path: "/api/commands/restart",
    tag: "commands",
    role: "admin",
    changes: true,
    summary: "Ends the server and starts it again",
    description: "Every connection ends. The host starts the server again with the same options.",
    body: object({}),
    answers: { 202: { description: "It will end with the next turn", schema: CHANGED } },
    endless: true,
    answer: ({ exchange, context }) => {
      exchange.replyJson(202, JSON.stringify({ changed: true }));
      context.restart();
    },
  }),
];

// What the paths of IP Webcam do as well (ip-webcam-routes.ts). Each says whether anything changed.

export function switchCamera(
  context: ServerContext,
  { profile, camera }: { readonly profile: string; readonly camera: string },
): boolean {
  const { encoder } = requireProfile(context, profile);
  if (encoder.spec.camera === camera) return false;
  const info = requireCamera(context, camera);
  const state = context.cameras.stateOf(camera);
  const unusable = (code: string, message: string) => new ApiFault(code, 409, message, { path: "camera" });
  if (info === undefined || state.state !== "ok") throw unusable("camera-unavailable", describeState(state));
  if (!info.codecs.includes(encoder.spec.codec)) {
    throw unusable("codec-unavailable", `this camera has no encoder for ${encoder.spec.codec}`);
  }
  encoder.switchCamera(camera);
  return true;
}

export function setQuality(
  context: ServerContext,
  { profile, quality }: { readonly profile: string; readonly quality: number },
): boolean {
  const { encoder } = requireProfile(context, profile);
  requireCodec(encoder.spec.codec, "jpeg", "only MJPEG profiles have a quality");
  if (encoder.spec.quality === quality) return false;
  requireDone(encoder.setQuality(quality), "quality");
  return true;
}

export function setTorch(
  context: ServerContext,
  { camera, on }: { readonly camera: string; readonly on: boolean },
): boolean {
  if (requireCamera(context, camera)?.torch !== true) {
    throw new ApiFault("no-torch", 409, "this camera has no lamp", { path: "camera" });
  }
  requireDone(context.cameras.set(camera, { torch: on }), "on");
  return true;
}

/** @param values `zoom` 1: the whole picture. */
export function setZoom(
  context: ServerContext,
  { camera, zoom }: { readonly camera: string; readonly zoom: number },
): boolean {
  const range = requireCamera(context, camera)?.zoom;
  if (range === undefined) throw new ApiFault("no-zoom", 409, "this camera has no zoom", { path: "camera" });
  if (zoom < range.min || zoom > range.max) {
    const message = `must be a number from ${range.min} to ${range.max}`;
    throw new ApiFault("out-of-range", 422, message, { path: "zoom" });
  }
  requireDone(context.cameras.set(camera, { zoom }), "zoom");
  return true;
}

/** @returns undefined for a camera that is configured and that the device does not have. */
function requireCamera(context: ServerContext, camera: string): CameraInfo | undefined {
  if (context.cameras.names().includes(camera)) return context.cameras.infoOf(camera);
  throw new ApiFault("no-such-camera", 404, "there is no camera of this name", { path: "camera" });
}

function requireProfile(context: ServerContext, path: string): StreamProfile {
  const profile = context.profiles.byKey(path.toLowerCase());
  if (profile !== undefined) return profile;
  throw new ApiFault("no-such-profile", 404, "there is no profile with this path", { path: "profile" });
}

function requireCodec(codec: string, wanted: string, message: string): void {
  if (codec !== wanted) throw new ApiFault("wrong-codec", 409, message, { path: "profile" });
}

/** @param result of a host's verb. */
function requireDone(result: number, path: string): void {
  if (result >= 0) return;
  const why = result === Code.UNSUPPORTED ? "this host can't do that" : "the camera refuses that now";
  throw new ApiFault(result === Code.UNSUPPORTED ? "unsupported" : "refused", 409, why, { path });
}

function tellCameraState(context: ServerContext, camera: string): void {
  const { state, reason = null, fix = null } = context.cameras.stateOf(camera);
  context.runtime.log("info", `camera=${camera} ${reason === null ? state : `${state} (${reason})`}`);
  context.runtime.events.emit("camera.state", { camera, state, reason, fix });
}
