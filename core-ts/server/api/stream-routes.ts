/**
 * Pictures for browsers and programs: the endless MJPEG stream, and one picture. Row 3.
 */
import { type Micros, seconds } from "../../time/units.ts";
import { describeState } from "../cameras.ts";
import type { ServerContext } from "../context.ts";
import type { MjpegFeed } from "../mjpeg-feed.ts";
import type { StreamProfile } from "../profiles.ts";
import { ApiFault } from "./api-fault.ts";
import { type Call, type Route, route } from "./route.ts";
import { text } from "./schema.ts";

/** Longest wait for a camera's first picture before 503. */
export const PICTURE_WAIT_US: Micros = seconds(3);
/** What a 503 tells the client to wait, in seconds. */
export const RETRY_AFTER_S = 5;

const RETRY_AFTER = ["Retry-After", String(RETRY_AFTER_S)] as const;

type StreamParams = { readonly stream: string };
type StreamCall = Call<StreamParams>;

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
    params: PARAMS,
    query: { token: TOKEN },
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
    },
    errors: ERRORS,
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
function sourceOf(call: StreamCall): StreamProfile & { readonly mjpeg: MjpegFeed } {
  return profileOf(call.context, call.params) as StreamProfile & { readonly mjpeg: MjpegFeed };
}

function answerStream(call: StreamCall): void {
  const { exchange, context } = call;
  const profile = sourceOf(call);
  const { mjpeg, encoder } = profile;
  if (!context.mjpegServer.running) throw stopped();
  if (context.viewers.full) throw tooMany();
  const askedUs = context.runtime.nowUs;
  encoder.acquire();
  // The head is held back until there is a picture, so that a camera that gives none is a 503 and not an empty stream.
  const wait = mjpeg.awaitPicture(PICTURE_WAIT_US, false, (outcome) => {
    if ("failed" in outcome) {
      encoder.release();
      return exchange.replyFault(unavailable(call, profile, outcome.failed));
    }
    if (context.mjpegServer.running && !context.viewers.full) {
      context.runtime.metrics.firstPictureSeconds.http.observeSpan(context.runtime.nowUs - askedUs);
      return exchange.replyStream(profile);
    }
    encoder.release();
    // Others who waited for the same picture may have taken the last places.
    exchange.replyFault(context.mjpegServer.running ? tooMany() : stopped());
  });
  if (exchange.answered) return;
  exchange.onAbandoned(() => {
    wait.cancel();
    encoder.release();
  });
}

function tooMany(): ApiFault {
  return new ApiFault("too-many-clients", 503, "the limit of clients is reached", { headers: [RETRY_AFTER] });
}

function stopped(): ApiFault {
  return new ApiFault("mjpeg-stopped", 503, "the MJPEG server is stopped by command", {
    details: { fix: "POST /api/commands/start-mjpeg-server" },
    headers: [RETRY_AFTER],
  });
}

function answerSnapshot(call: StreamCall): void {
  const { exchange } = call;
  const profile = sourceOf(call);
  const { mjpeg, encoder } = profile;
  encoder.acquire();
  const wait = mjpeg.awaitPicture(PICTURE_WAIT_US, true, (outcome) => {
    encoder.release();
    if ("failed" in outcome) return exchange.replyFault(unavailable(call, profile, outcome.failed));
    exchange.replyPicture(outcome);
  });
  if (exchange.answered) return;
  exchange.onAbandoned(() => {
    wait.cancel();
    encoder.release();
  });
}

/** 503 with the camera's state: the server is up, the picture isn't. */
function unavailable({ exchange, context }: StreamCall, profile: StreamProfile, why: string): ApiFault {
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
