/**
 * The configuration: shown, checked and changed while the server runs. Row 3.
 */
import { configJsonSchema } from "../../config/json-schema.ts";
import { mergePatch } from "../../config/merge-patch.ts";
import { SECRET_MASK } from "../../config/secrets.ts";
import type { HttpRequest } from "../../http/request-parser.ts";
import type { ServerContext } from "../context.ts";
import type { HttpExchange } from "../http-exchange.ts";
import type { PreparedConfig } from "../settings.ts";
import { ApiFault } from "./api-fault.ts";
import { type Route, route } from "./route.ts";
import { flag, list, object, type Schema, text } from "./schema.ts";

/** What a configuration is stands in its own schema, and is checked by `parseConfig`. */
const CONFIG: Schema<Readonly<Record<string, unknown>>> = {
  type: "object",
  description: "A configuration, as `/api/config.schema.json` describes it.",
};
const TAKEN = object({
  persisted: flag({ description: "False where the host has nowhere to keep it: it holds until the server ends." }),
  overridden: list(text(), { description: "Keys that the command line decides, whatever is written here." }),
});
const ETAG = { ETag: "Names this state of the configuration, for If-Match" };

const COMMON = { tag: "settings", role: "admin" } as const;
const REFUSED = {
  409: "nobody could administer the server any more, or the file was changed meanwhile and is not in force",
  422: "it is no sound configuration; the error's `issues` list every fault by `path` and `message`",
};
const CHANGE_ERRORS = {
  ...REFUSED,
  412: "If-Match names another state: somebody else has changed it since",
  503: "the device can't store it now; nothing was changed",
};
const CHANGE_NOTES =
  "Taken whole or not at all, and put into force at once: viewers of profiles that stay as they were notice nothing. " +
  `A secret given as \`${SECRET_MASK}\` stays what it is; a new \`password\` is stored as \`ha1\`. With If-Match and the ETag of ` +
  "an answer it is refused if somebody else was faster.";

let schemaText: string | undefined;

export const configRoutes: readonly Route[] = [
  route({
    ...COMMON,
    method: "GET",
    path: "/api/config",
    changes: false,
    summary: "The configuration as written, or in force",
    description: `Secrets are shown as \`${SECRET_MASK}\`.`,
    query: {
      effective: flag({
        description:
          "True: what is in force, with every default, the built-in profiles and what the command line says.",
      }),
    },
    answers: { 200: { description: "The configuration", schema: CONFIG, headers: ETAG } },
    answer: ({ exchange, context: { settings }, query }) => {
      const shown = query.effective === true ? settings.effective() : settings.masked();
      exchange.replyJson(200, JSON.stringify(shown), [["ETag", settings.etag]]);
    },
  }),
  route({
    ...COMMON,
    method: "PUT",
    path: "/api/config",
    changes: true,
    summary: "Replaces the configuration",
    description: CHANGE_NOTES,
    body: CONFIG,
    answers: { 200: { description: "It is in force", schema: TAKEN, headers: ETAG } },
    errors: CHANGE_ERRORS,
    answer: ({ exchange, context, body }) => {
      requireMatch(exchange.request, context, false);
      take(
        exchange,
        context,
        prepare(context, () => body),
      );
    },
  }),
  route({
    ...COMMON,
    method: "PATCH",
    path: "/api/config",
    changes: true,
    summary: "Changes parts of the configuration",
    description: `A JSON merge patch (RFC 7396): null removes a key, lists are replaced. ${CHANGE_NOTES}`,
    body: CONFIG,
    answers: { 200: { description: "It is in force", schema: TAKEN, headers: ETAG } },
    errors: CHANGE_ERRORS,
    answer: ({ exchange, context, body }) => {
      requireMatch(exchange.request, context, true);
      take(
        exchange,
        context,
        prepare(context, (document) => mergePatch(document, body)),
      );
    },
  }),
  route({
    ...COMMON,
    method: "POST",
    path: "/api/config/validate",
    changes: true,
    summary: "Says whether a configuration would be taken",
    description: "Answers as PUT of the same would, and changes nothing.",
    body: CONFIG,
    answers: { 200: { description: "It would", schema: object({ ok: flag() }) } },
    errors: REFUSED,
    answer: ({ exchange, context, body }) => {
      prepare(context, () => body);
      exchange.replyJson(200, JSON.stringify({ ok: true }));
    },
  }),
  route({
    method: "GET",
    path: "/api/config.schema.json",
    tag: "documents",
    role: "viewer",
    changes: false,
    summary: "The JSON Schema of the configuration",
    answers: { 200: { description: "A schema of draft 2020-12", contentType: "application/schema+json" } },
    answer: ({ exchange }) => {
      schemaText ??= JSON.stringify(configJsonSchema());
      exchange.reply(200, [["Content-Type", "application/schema+json"]], schemaText);
    },
  }),
];

/** @throws ApiFault when it would not be taken. */
function prepare({ settings, logins }: ServerContext, change: (document: unknown) => unknown): PreparedConfig {
  const prepared = settings.prepare(change);
  if (prepared.config.auth.enabled && !logins.hasAdmin(prepared.config)) {
    const message = "no admin could log in then: keep one, or first add one with POST /api/users; nothing was changed";
    throw new ApiFault("no-admin", 409, message, { path: "users" });
  }
  return prepared;
}

function take(exchange: HttpExchange, context: ServerContext, prepared: PreparedConfig): void {
  const { settings } = context;
  if (settings.take(prepared)) context.applyConfig("api");
  const { persisted, overridden, etag } = settings;
  exchange.replyJson(200, JSON.stringify({ persisted, overridden }), [["ETag", etag]]);
}

/**
 * RFC 9110 section 13.1.1.
 * @param partial the change keeps what it does not name, and so must know what is there.
 */
function requireMatch({ headers }: HttpRequest, { settings }: ServerContext, partial: boolean): void {
  const given = headers.all("If-Match").flatMap((value) => value.split(",").map((tag) => tag.trim()));
  if (given.length > 0 && !given.includes("*") && !given.includes(settings.etag)) {
    throw new ApiFault("changed-meanwhile", 412, "the configuration has changed since; get it again", {
      path: "header.If-Match",
      headers: [["ETag", settings.etag]],
    });
  }
  if ((partial || given.length > 0) && settings.isFileAhead) {
    const message = "the file says something that is not in force (yet): look at the log, or replace it by a PUT";
    throw new ApiFault("file-changed", 409, message);
  }
}
