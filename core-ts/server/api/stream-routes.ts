/**
 * Pictures for browsers and programs: the endless MJPEG stream, and one picture. Row 3.
 */
import { type Micros, seconds } from "../../time/units.ts";
import { describeState } from "../cameras.ts";
import type { NotCaptured } from "../captures.ts";
import type { ServerContext } from "../context.ts";
import type { MjpegFeed } from "../mjpeg-feed.ts";
import type { StreamProfile } from "../profiles.ts";
import { takePicture } from "../take-picture.ts";
import { ApiFault } from "./api-fault.ts";
import { type Call, type Route, route } from "./route.ts";
import { integer, oneOf, text } from "./schema.ts";

/** Longest wait for a camera's first picture before 503. */
export const PICTURE_WAIT_US: Micros = seconds(3);
/** Longest wait of `?since=` before 204. */
export const SINCE_WAIT_US: Micros = seconds(20);
/** Oldest picture that `?cache=` may ask for. */
export const CACHE_MAX_US: Micros = seconds(60);
/** What a 503 tells the client to wait, in seconds. */
export const RETRY_AFTER_S = 5;

const RETRY_AFTER = ["Retry-After", String(RETRY_AFTER_S)] as const;

type StreamParams = { readonly stream: string };
type StreamCall = Call<StreamParams>;
type SnapshotQuery = {
  readonly width?: number;
  readonly height?: number;
  readonly quality?: number;
  readonly rotation?: 0 | 90 | 180 | 270;
  readonly since?: number;
  readonly cache?: string;
};
type SnapshotCall = Call<StreamParams, SnapshotQuery>;

const PARAMS = {
  stream: text({
    description:
      "A camera's name, which means its first MJPEG profile, or the path of an MJPEG profile without the slash it begins " +
      "with (`live/back/mjpeg`); case does not matter.",
    examples: ["back"],
    pattern: "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
  }),
};
const TOKEN = text({
  maxLength: 64,
  description:
    "A stream token (`POST /api/tokens`) in place of a login. Where there is one it counts, and no login does.",
});
const ERRORS = {
  404: "no such camera or profile, or one without MJPEG",
  503: "no picture can be had now; the error's `camera`, `state` and `fix` say why, Retry-After when to ask again",
};

export const streamRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/{stream+}/snapshot.jpg",
    tag: "streams",
    role: "viewer",
    changes: false,
    summary: "The camera's next picture",
    description:
      "Without `width`, `height`, `quality` and `rotation`, or with those of the stream, it is a picture of the stream; with " +
      "others the camera takes one apart. One side alone keeps the shape.",
    params: PARAMS,
    query: {
      width: integer({ minimum: 16, maximum: 16_384, description: "Pixels, after rotation." }),
      height: integer({ minimum: 16, maximum: 16_384, description: "Pixels, after rotation." }),
      quality: integer({ minimum: 1, maximum: 100, description: "Of JPEG, 100 is best." }),
      rotation: oneOf([0, 90, 180, 270], { description: "Degrees clockwise." }),
      since: integer({
        minimum: 0,
        description:
          "X-Timestamp-Us of a picture that is known: the answer is a later one, or 204 when none comes for 20 s.",
      }),
      cache: text({
        pattern: "^([1-9]|[1-5][0-9]|60)s$",
        description: "Takes a picture that was taken for such a request up to this long ago, 1s to 60s.",
        examples: ["10s"],
      }),
      token: TOKEN,
    },
    finds: (context, params) => profileOf(context, params) !== undefined,
    shows: profileOf,
    answers: {
      200: {
        description: "A JPEG file",
        contentType: "image/jpeg",
        headers: {
          "X-Timestamp-Us": "Capture time in microseconds of the device's monotonic clock",
          "X-Width": "Width in pixels",
          "X-Height": "Height in pixels",
        },
      },
      204: { description: "No picture later than `since` came in time; ask again" },
    },
    errors: {
      ...ERRORS,
      422: "the camera has no picture of this size; the error's `sizes` and `still` say what there is",
      501: "this host takes pictures of its streams only",
    },
    answer: answerSnapshot,
  }),
  route({
    method: "GET",
    path: "/{stream+}",
    tag: "streams",
    role: "viewer",
    changes: false,
    summary: "The camera's pictures as MJPEG",
    description:
      "Each part has Content-Length and X-Timestamp (capture time in seconds). Ends with the connection only.",
    params: PARAMS,
    query: { token: TOKEN },
    finds: (context, params) => profileOf(context, params) !== undefined,
    shows: profileOf,
    answers: {
      200: { description: "JPEG files one after the other", contentType: "multipart/x-mixed-replace" },
    },
    errors: ERRORS,
    endless: true,
    answer: answerStream,
  }),
];

function profileOf(context: ServerContext, params: StreamParams): StreamProfile | undefined {
  return context.profiles.jpegByHttpKey(`/${params.stream.toLowerCase()}`);
}

/** The route was found, so the profile is there and has pictures. */
function sourceOf(call: Pick<StreamCall, "context" | "params">): StreamProfile & { readonly mjpeg: MjpegFeed } {
  return profileOf(call.context, call.params) as StreamProfile & { readonly mjpeg: MjpegFeed };
}

function answerStream(call: StreamCall): void {
  const { exchange, context } = call;
  const profile = sourceOf(call);
  const { mjpeg, encoder } = profile;
  if (!context.mjpegServer.running) throw stopped();
  const { address } = exchange.connection.peer;
  const refusal = context.viewers.refusal(address);
  if (refusal !== undefined) throw tooMany(refusal);
  const askedUs = context.runtime.nowUs;
  encoder.acquire();
  // The head is held back until there is a picture, so that a camera that gives none is a 503 and not an empty stream.
  const wait = mjpeg.awaitSign(PICTURE_WAIT_US, (outcome) => {
    if (outcome !== undefined) {
      encoder.release();
      return exchange.replyFault(unavailable(call, profile, outcome.failed));
    }
    // Others who waited for the same picture may have taken the last places.
    const lateRefusal = context.viewers.refusal(address);
    if (context.mjpegServer.running && lateRefusal === undefined) {
      context.runtime.metrics.firstPictureSeconds.http.observeSpan(context.runtime.nowUs - askedUs);
      return exchange.replyStream(profile);
    }
    encoder.release();
    exchange.replyFault(context.mjpegServer.running ? tooMany(lateRefusal!) : stopped());
  });
  if (exchange.answered) return;
  exchange.onAbandoned(() => {
    wait.cancel();
    encoder.release();
  });
}

function tooMany(message: string): ApiFault {
  return new ApiFault("too-many-clients", 503, message, { headers: [RETRY_AFTER] });
}

function stopped(): ApiFault {
  return new ApiFault("mjpeg-stopped", 503, "the MJPEG server is stopped by command", {
    details: { fix: "POST /api/commands/start-mjpeg-server" },
    headers: [RETRY_AFTER],
  });
}

function answerSnapshot(call: SnapshotCall): void {
  const { exchange, context, query } = call;
  const { runtime, keptPictures } = context;
  const profile = sourceOf(call);
  const { width, height, quality, rotation, since, cache } = query;
  const wish = { width, height, quality, rotation };
  const key = `cache ${profile.fingerprint} ${profile.encoder.spec.camera} ${JSON.stringify(wish)}`;
  // A time that is yet to come is of another run of the device's clock.
  const afterUs = since !== undefined && since <= runtime.nowUs ? since : undefined;
  const cached = cache === undefined ? undefined : keptPictures.get(key);
  const maxAgeUs = seconds(Number.parseInt(cache ?? "0", 10));
  if (cached !== undefined && runtime.nowUs - cached.timeUs <= maxAgeUs && cached.timeUs > (afterUs ?? -1)) {
    return exchange.replyPicture(cached.hold());
  }
  const waitUs = afterUs === undefined ? PICTURE_WAIT_US : SINCE_WAIT_US;
  const taking = takePicture(context, profile.encoder.spec.camera, wish, { profile, waitUs, afterUs }, (outcome) => {
    if (!("failed" in outcome)) {
      if (cache !== undefined) keptPictures.keep(key, outcome, CACHE_MAX_US);
      return exchange.replyPicture(outcome);
    }
    // The camera is well, and slow.
    if (afterUs !== undefined && profile.encoder.state === "running" && outcome.why === "unavailable") {
      return exchange.reply(204, [["Cache-Control", "no-store"]]);
    }
    exchange.replyFault(notTaken(call, profile, outcome));
  });
  if (!exchange.answered) exchange.onAbandoned(() => taking.cancel());
}

function notTaken(call: SnapshotCall, profile: StreamProfile, { failed, why }: NotCaptured): ApiFault {
  const info = call.context.cameras.infoOf(profile.encoder.spec.camera);
  const details = { sizes: info?.sizes ?? [], still: info?.still ?? null };
  if (why === "size") return new ApiFault("no-such-size", 422, failed, { path: "query.width", details });
  if (why === "unsupported") return new ApiFault("not-supported", 501, failed);
  if (why === "busy") return new ApiFault("too-many-pictures", 503, failed, { headers: [RETRY_AFTER] });
  return unavailable(call, profile, failed);
}

/** 503 with the camera's state: the server is up, the picture isn't. */
function unavailable(
  { exchange, context }: Pick<StreamCall, "exchange" | "context">,
  profile: StreamProfile,
  why: string,
): ApiFault {
  const { camera } = profile.encoder.spec;
  const state = context.cameras.stateOf(camera);
  exchange.connection.log("warn", `${exchange.request.path} unavailable: ${why}`);
  const { fix } = state;
  const told = state.state === "ok" || why.includes(describeState(state)) ? why : `${describeState(state)}; ${why}`;
  return new ApiFault("camera-unavailable", 503, `camera ${camera}: ${told}`, {
    details: { camera, state: state.state, ...(fix === undefined ? {} : { fix }) },
    headers: [RETRY_AFTER],
  });
}
