/**
 * Stream tokens: listed, made and revoked. Row 3.
 */
import type { WallMicros } from "../../time/units.ts";
import type { StoredToken } from "../login-store.ts";
import { ApiFault } from "./api-fault.ts";
import { type Route, route } from "./route.ts";
import { flag, list, nullable, object, text } from "./schema.ts";

const TOKEN_FIELDS = {
  id: text({ description: "By which it is revoked." }),
  starts: text({ description: "Its first four characters." }),
  user: text({ description: "To whom it belongs, and with whom it goes." }),
  stream: text({ description: "What it opens." }),
  created: text({ format: "date-time" }),
  lastUsed: nullable(
    text({ format: "date-time", description: "Exact in the run that it was used in; after a start, to the hour." }),
  ),
};
const TOKEN = object(TOKEN_FIELDS);
const MADE = object({
  token: text({ description: "The token itself. It is shown this once." }),
  paths: list(text(), { description: "The stream and its snapshot, with the token." }),
  details: TOKEN,
  persisted: flag({ description: "False where the host has nowhere to keep it: it holds until the server ends." }),
});

const NOT_STORED = "the device can't store it now; nothing was changed";

export const tokenRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/tokens",
    tag: "settings",
    role: "admin",
    changes: false,
    summary: "Every stream token, masked",
    answers: { 200: { description: "Tokens, each by its first characters", schema: object({ tokens: list(TOKEN) }) } },
    answer: ({ exchange, context }) => {
      exchange.replyJson(200, JSON.stringify({ tokens: context.tokens.list().map(shown) }));
    },
  }),
  route({
    method: "POST",
    path: "/api/tokens",
    tag: "settings",
    role: "admin",
    changes: true,
    summary: "Makes a stream token",
    description:
      "Whoever has it may watch one MJPEG stream and its snapshots, with `?token=` and no login. For pictures in pages of " +
      "other sites; it stands in their source, so anybody who sees those may watch.",
    body: object(
      {
        stream: text({
          minLength: 1,
          maxLength: 129,
          description: "A camera's name, which means its first MJPEG profile, or the path of an MJPEG profile.",
          examples: ["back"],
        }),
      },
      { user: text({ minLength: 1, maxLength: 64, description: "Whose it is; without, whoever asks." }) },
    ),
    answers: { 201: { description: "Made", schema: MADE } },
    errors: { 409: "there are too many tokens", 503: NOT_STORED },
    answer: ({ exchange, context, body }) => {
      const stream = body.stream.toLowerCase().replace(/^\/|\/$/g, "");
      if (context.profiles.jpegByHttpKey(`/${stream}`) === undefined) {
        throw new ApiFault("no-such-stream", 400, "there is no camera and no MJPEG profile of this name", {
          path: "stream",
        });
      }
      const user = body.user ?? exchange.user ?? "";
      if (!context.logins.known.some((known) => known.user.name === user)) {
        throw new ApiFault("no-such-user", 400, "there is no user of this name", { path: "user" });
      }
      const { token, kept, persisted } = context.tokens.create({ user, stream });
      const paths = [`/${stream}`, `/${stream}/snapshot.jpg`].map((path) => `${path}?token=${token}`);
      exchange.replyJson(201, JSON.stringify({ token, paths, details: shown(kept), persisted }));
    },
  }),
  route({
    method: "DELETE",
    path: "/api/tokens/{id}",
    tag: "settings",
    role: "admin",
    changes: true,
    summary: "Revokes a stream token",
    description: "Streams that it opened end.",
    params: { id: text({ minLength: 1, maxLength: 64, description: "As listed." }) },
    answers: { 204: { description: "Revoked" } },
    errors: { 404: "there is no such token", 503: NOT_STORED },
    answer: ({ exchange, context, params }) => {
      context.tokens.revoke(params.id);
      exchange.reply(204);
    },
  }),
];

function shown({ id, starts, user, stream, createdUs, lastUsedUs }: StoredToken) {
  return {
    id,
    starts,
    user,
    stream,
    created: timeText(createdUs),
    lastUsed: lastUsedUs === null ? null : timeText(lastUsedUs),
  };
}

function timeText(us: WallMicros): string {
  return new Date(us / 1_000).toISOString();
}
