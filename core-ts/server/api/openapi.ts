/**
 * The OpenAPI 3.1 document of all routes, made from their table. Row 3.
 *
 * Two things have no place in a document with one place for each path: paths of several segments (`{stream}` may be
 * `live%2Fback%2Fmjpeg` to a generated client, but stands for `live/back/mjpeg`), and HEAD and OPTIONS, which every GET has.
 */
import type { Answer, Route } from "./route.ts";
import { object, type Schema, text } from "./schema.ts";

/** Of every answer of 400 and more. */
export const ERROR: Schema = object(
  {
    error: {
      ...object(
        {
          code: text({ description: "Stable, for programs: lower case with dashes.", examples: ["bad-body"] }),
          message: text({ description: "One line for people." }),
        },
        { path: text({ description: "The key, parameter or header that it is about.", examples: ["query.since"] }) },
      ),
      additionalProperties: true,
    },
  },
  {},
  { title: "Error" },
);

/** What any route may answer beside its own errors. */
const COMMON_ERRORS: Readonly<Record<number, string>> = {
  400: "the request can't be read, or a parameter is not what it must be",
  401: "a login is needed",
  403: "the Host is unknown; or the login lacks the role; or a page of another site asks for a change; or a stream token is not good",
};
const PATH_ERRORS: Readonly<Record<number, string>> = {
  404: "a name in the path is none that there could be",
};
const TARGET_ERRORS: Readonly<Record<number, string>> = { 414: "path and query are too long" };
const BODY_ERRORS: Readonly<Record<number, string>> = {
  413: "the body is too large",
  415: "the body is not declared as application/json",
};

const TAGS: readonly { readonly name: Route["tag"]; readonly description: string }[] = [
  { name: "streams", description: "Pictures." },
  { name: "state", description: "What is, and what happens." },
  { name: "commands", description: "Needs role admin. Safe to send twice." },
  { name: "settings", description: "Configuration, users and tokens." },
  { name: "documents", description: "For people, and for tools." },
];

/** @param version the server's. */
export function openApiDocument(routes: readonly Route[], version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replace("+}", "}");
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Porthole",
      version,
      description: "A headless network camera. Logins are those of RTSP; docs/api.md has examples.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ digest: [] }, { basic: [] }],
    tags: TAGS.filter(({ name }) => routes.some(({ tag }) => tag === name)),
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: {
        digest: { type: "http", scheme: "digest", description: "RFC 7616" },
        basic: { type: "http", scheme: "basic", description: "RFC 7617; can be switched off" },
      },
      schemas: { Error: ERROR },
      responses: errorResponses({ ...COMMON_ERRORS, ...PATH_ERRORS, ...TARGET_ERRORS, ...BODY_ERRORS }),
    },
  };
}

function operationOf(route: Route): unknown {
  const parameters = [
    ...Object.entries(route.params).map(([name, schema]) => parameterOf("path", name, schema)),
    ...Object.entries(route.query).map(([name, schema]) => parameterOf("query", name, schema)),
  ];
  const takesBody = route.method !== "GET" && route.method !== "DELETE";
  const common = {
    ...COMMON_ERRORS,
    ...(Object.keys(route.params).length > 0 ? PATH_ERRORS : {}),
    ...(parameters.length > 0 ? TARGET_ERRORS : {}),
    ...(takesBody ? BODY_ERRORS : {}),
  };
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    "x-role": route.role,
    ...(route.endless === true ? { "x-endless": true } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: route.body } } } }),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, responseOf(answer)])),
      ...Object.fromEntries(
        Object.keys(common).map((status) => [status, { $ref: `#/components/responses/${status}` }]),
      ),
      ...errorResponses(route.errors ?? {}),
    },
  };
}

function parameterOf(where: "path" | "query", name: string, schema: Schema): unknown {
  const { description, examples, ...rest } = schema;
  return {
    name,
    in: where,
    required: where === "path",
    ...(description === undefined ? {} : { description }),
    schema: { ...rest, ...(examples === undefined ? {} : { examples }) },
  };
}

function responseOf({ description, contentType, schema, headers }: Answer): unknown {
  const type = contentType ?? (schema === undefined ? undefined : "application/json");
  return {
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: "string" } }]),
          ),
        }),
    ...(type === undefined ? {} : { content: { [type]: schema === undefined ? {} : { schema } } }),
  };
}

function errorResponses(errors: Readonly<Record<number, string>>): Record<string, unknown> {
  const content = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
  return Object.fromEntries(Object.entries(errors).map(([status, description]) => [status, { description, content }]));
}

/** `POST /api/commands/stop-camera` → `postCommandsStopCamera`. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "" && word !== "api");
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return method.toLowerCase() + (words.length === 0 ? "Page" : words.map(capital).join(""));
}
