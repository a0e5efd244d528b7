/**
 * Finds the route of a request, checks what the route asks for, and lets it answer. Row 3.
 *
 * Order: Host → login (http-requests.ts) → route → role → origin → parameters → body. What fails is thrown as a fault and
 * becomes the answer in one place.
 */
import type { Role } from "../../auth/users.ts";
import { utf8OfText } from "../../bytes/text.ts";
import { JsonFault, parseJson } from "../../config/json.ts";
import type { HttpRequest } from "../../http/request-parser.ts";
import type { ServerContext } from "../context.ts";
import type { HttpExchange } from "../http-exchange.ts";
import type { StreamProfile } from "../profiles.ts";
import { ApiFault } from "./api-fault.ts";
import type { Call, Method, Route } from "./route.ts";
import { check, expected, type Fields, type Schema, valueOfText } from "./schema.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
/** {@link vagueness} of a path that takes any. */
const ANY_PATH = 100;

type Match = { readonly route: Route; readonly params: Readonly<Record<string, string>> };

export class Router {
  readonly routes: readonly Route[];
  /** Routes by rank: fixed paths before those with parameters, these before those that take any path. */
  readonly #ranked: readonly { readonly route: Route; readonly segments: readonly string[] }[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    this.#ranked = routes
      .map((route) => ({ route, segments: segmentsOf(route.path) }))
      .sort((a, b) => vagueness(a.segments) - vagueness(b.segments));
  }

  /** Answers a request whose Host and login are good. @throws ProtocolFault as the answer. */
  answer(exchange: HttpExchange): void {
    const { request } = exchange;
    const { context } = exchange.connection;
    const { route, params } = this.#find(context, request);
    requireRole(route, exchange.role);
    if (route.changes) {
      requireOwnOrigin(request);
      exchange.connection.log("info", `${request.method} ${request.path} by user=${exchange.user ?? "-"}`);
    }
    const call: Call<unknown, unknown, unknown> = {
      exchange,
      context,
      routes: this.routes,
      params: textValues(route.params, (name) => params[name], "path", 404),
      query: textValues(route.query, (name) => request.query.get(name), "query", 400),
      body: bodyOf(route, request),
    };
    route.answer(call as Call<never, never, never>);
  }

  /** The stream that a request asks to see, if its route takes stream tokens. */
  shownBy(context: ServerContext, { path, method }: HttpRequest): StreamProfile | undefined {
    if (method !== "GET" && method !== "HEAD") return undefined;
    const found = this.#matches(context, path).find(({ route }) => route.method === "GET");
    return found?.route.shows?.(context, found.params);
  }

  /**
   * What `Allow` says of a path. Whoever asks has no login, so it is the same whether a path that takes any name finds one.
   * @param path `*`: of the server as a whole.
   */
  allowed(path: string): string {
    if (path === "*") return allowOf(this.routes.map(({ method }) => method));
    const matches = this.#ranked.filter(({ segments }) => matchPath(segments, segmentsOf(path)) !== undefined);
    const known = matches.filter(({ segments }) => vagueness(segments) < ANY_PATH);
    return allowOf((known.length > 0 ? known : matches).map(({ route }) => route.method));
  }

  #matches(context: ServerContext, path: string): readonly Match[] {
    const given = segmentsOf(path);
    const matches: Match[] = [];
    for (const { route, segments } of this.#ranked) {
      const params = matchPath(segments, given);
      if (params !== undefined && route.finds(context, params)) matches.push({ route, params });
    }
    return matches;
  }

  #find(context: ServerContext, { path, method }: HttpRequest): Match {
    const matches = this.#matches(context, path);
    const asked = method === "HEAD" ? "GET" : method;
    const found = matches.find(({ route }) => route.method === asked);
    if (found !== undefined) return found;
    if (matches.length === 0) throw new ApiFault("not-found", 404, "there is nothing at this path", { path: "path" });
    const allow = allowOf(matches.map(({ route }) => route.method));
    throw new ApiFault("method-not-allowed", 405, `this path takes ${allow}`, { headers: [["Allow", allow]] });
  }
}

/** With logins switched off everybody is `admin`. */
function requireRole(route: Route, role: Role | undefined): void {
  if (route.role === "viewer" || role === "admin") return;
  throw new ApiFault("forbidden", 403, "this needs a login with the role admin");
}

/**
 * A login by HTTP is ambient: a browser sends it with whatever request any page makes. So a change that a page of another
 * site asked for is refused, by the header of Fetch Metadata, which pages can't forge, and by Origin for browsers without it.
 * Programs send neither.
 */
function requireOwnOrigin({ headers, host }: HttpRequest): void {
  const site = headers.get("Sec-Fetch-Site")?.toLowerCase();
  const foreign = (path: string) =>
    new ApiFault("cross-origin", 403, "changes are not taken from pages of other sites", { path });
  if (site === "cross-site" || site === "same-site") throw foreign("header.Sec-Fetch-Site");
  const own = (host ?? "").toLowerCase();
  // https: a proxy in front may speak it for us.
  const isOwn = (origin: string) => own !== "" && [`http://${own}`, `https://${own}`].includes(origin.toLowerCase());
  if (!headers.all("Origin").every(isOwn)) throw foreign("header.Origin");
}

/** Parameters as their schemas mean them; absent ones are left out. */
function textValues(
  fields: Fields,
  given: (name: string) => string | undefined,
  where: string,
  status: number,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(fields)) {
    const text = given(name);
    if (text === undefined) continue;
    const value = valueOfText(schema, text);
    const path = `${where}.${name}`;
    if (value === undefined) throw new ApiFault("bad-parameter", status, `must be ${expected(schema)}`, { path });
    const [fault] = check(schema, value, path);
    if (fault !== undefined) throw new ApiFault("bad-parameter", status, fault.message, { path });
    values[name] = value;
  }
  return values;
}

/** The body as its route's schema wants it; undefined for a route without. */
function bodyOf(route: Route, request: HttpRequest): unknown {
  if (route.method === "GET" || route.method === "DELETE") return undefined;
  const contentType = request.headers.get("Content-Type");
  const isJson = contentType !== undefined && /^\s*application\/json\s*(?:;|$)/i.test(contentType);
  // A form of another site's page can send text/plain and its like without asking first; JSON it can't.
  if (!isJson && (contentType !== undefined || request.body !== "" || route.body !== undefined)) {
    throw new ApiFault("not-json", 415, "the body must be JSON, with Content-Type: application/json", {
      path: "header.Content-Type",
    });
  }
  if (route.body === undefined && request.body === "") return undefined;
  const value = parseBody(request.body);
  const [fault] = check(route.body ?? NO_KEYS, value);
  if (fault === undefined) return value;
  throw new ApiFault("bad-body", 400, fault.message, { path: fault.path === "" ? "body" : fault.path });
}

/** What the body of a route without one may be: nothing, or this. */
const NO_KEYS: Schema = { type: "object", additionalProperties: false };

function parseBody(body: string): unknown {
  try {
    return parseJson(utf8OfText(body));
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const path = `body:${error.line}:${error.column}`;
    throw new ApiFault("bad-json", 400, `not JSON: ${error.message}`, { path });
  }
}

function allowOf(methods: readonly Method[]): string {
  const all = METHODS.filter((method) => methods.includes(method === "HEAD" ? "GET" : method));
  return [...all, "OPTIONS"].join(", ");
}

/** `/a/b/` and `/a/b` give `["a", "b"]`, `/` gives none. */
function segmentsOf(path: string): string[] {
  const segments = path.split("/").slice(1);
  if (segments.at(-1) === "") segments.pop();
  return segments;
}

function vagueness(segments: readonly string[]): number {
  return segments.reduce(
    (sum, segment) => sum + (segment.endsWith("+}") ? ANY_PATH : segment.startsWith("{") ? 1 : 0),
    0,
  );
}

/** The parameters as the request spells them, or undefined when the path is another. */
function matchPath(pattern: readonly string[], given: readonly string[]): Readonly<Record<string, string>> | undefined {
  const params: Record<string, string> = {};
  let rest = given;
  let fixed = pattern;
  const [first] = pattern;
  if (first?.endsWith("+}") === true) {
    const taken = given.length - pattern.length + 1;
    if (taken < 1) return undefined;
    params[first.slice(1, -2)] = given.slice(0, taken).join("/");
    rest = given.slice(taken);
    fixed = pattern.slice(1);
  }
  if (fixed.length !== rest.length) return undefined;
  for (const [index, segment] of fixed.entries()) {
    const text = rest[index]!;
    if (segment.startsWith("{")) params[segment.slice(1, -1)] = text;
    else if (segment !== text.toLowerCase()) return undefined;
  }
  return params;
}
