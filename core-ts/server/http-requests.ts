/**
 * The HTTP routes (RFC 9110). Row 3.
 *
 * | path | answer |
 * |---|---|
 * | `/` | a page with the cameras |
 * | `/<camera>/`, or an MJPEG profile's path | the MJPEG stream |
 * | the same with `/snapshot.jpg` | the next picture |
 * | `/api/status` | the server's state as JSON |
 *
 * Paths compare without regard to case. Every function gives its exchange exactly one answer, now or later.
 */
import { ProtocolFault } from "../errors.ts";
import { type Micros, seconds } from "../time/units.ts";
import { describeState } from "./cameras.ts";
import type { HttpExchange } from "./http-connection.ts";
import { PAGE_POLICY, renderPage } from "./page.ts";
import type { StreamProfile } from "./profiles.ts";

/** Longest wait for a camera's first picture before 503. */
export const PICTURE_WAIT_US: Micros = seconds(3);
/** What a 503 tells the client to wait, in seconds. */
export const RETRY_AFTER_S = 5;

const SNAPSHOT = "/snapshot.jpg";

/** Answers one request. */
export function answerHttp(exchange: HttpExchange): void {
  const { method } = exchange.request;
  if (method !== "GET" && method !== "HEAD") {
    // A body that we don't know how to serve is still read by the parser, so the connection stays usable.
    return exchange.replyText(method === "OPTIONS" ? 204 : 405, "", [["Allow", "GET, HEAD"]]);
  }
  withLogin(exchange, () => exchange.attempt(() => route(exchange)));
}

function withLogin(exchange: HttpExchange, proceed: () => void): void {
  const { connection, request } = exchange;
  const { httpLogin, runtime } = connection.context;
  if (httpLogin === undefined) {
    connection.noteLogin();
    return proceed();
  }
  const result = httpLogin.check({
    method: request.method,
    authorization: request.headers.get("Authorization"),
    peerAddress: connection.peer.address,
    nowUs: runtime.nowUs,
    sameTarget: (uri) => uri === request.target || uri === request.path,
  });
  if (result.ok) {
    exchange.user = result.user.name;
    connection.noteLogin();
    return afterDelay(exchange, result.delayUs, proceed);
  }
  if (result.reason !== "missing" && result.reason !== "stale") {
    connection.log("warn", `login failed peer=${connection.peer.address} reason=${result.reason}`);
    runtime.events.emit("login.failed", { protocol: "http", address: connection.peer.address, reason: result.reason });
  }
  const headers = result.challenges.map((challenge) => ["WWW-Authenticate", challenge] as const);
  afterDelay(exchange, result.delayUs, () => exchange.replyText(401, "a login is needed", headers));
}

/** Failed logins slow their address down, right answers included: else the delay would tell which is right. */
function afterDelay(exchange: HttpExchange, delayUs: Micros, run: () => void): void {
  if (delayUs <= 0) return run();
  const timer = exchange.connection.context.runtime.after(delayUs, run);
  exchange.onAbandoned(() => timer.cancel());
}

function route(exchange: HttpExchange): void {
  const { context } = exchange.connection;
  const key = normalise(exchange.request.path);
  if (key === "/") {
    return exchange.reply(
      200,
      [
        ["Content-Type", "text/html; charset=utf-8"],
        ["Content-Security-Policy", PAGE_POLICY],
        ["Referrer-Policy", "no-referrer"],
        ["Cache-Control", "no-store"],
      ],
      renderPage(context, exchange.request.host ?? ""),
    );
  }
  if (key === "/api/status") return exchange.replyJson(200, context.status());
  if (key.endsWith(SNAPSHOT)) {
    const profile = context.profiles.jpegByHttpKey(key.slice(0, -SNAPSHOT.length));
    if (profile !== undefined) return answerSnapshot(exchange, profile);
  }
  const profile = context.profiles.jpegByHttpKey(key);
  if (profile !== undefined) return answerStream(exchange, profile);
  throw new ProtocolFault("no-such-page", 404, `there is nothing at ${exchange.request.path}`);
}

/** Lower case, without a slash at the end. */
function normalise(path: string): string {
  const lower = path.toLowerCase();
  return lower.length > 1 && lower.endsWith("/") ? lower.slice(0, -1) : lower;
}

function answerStream(exchange: HttpExchange, profile: StreamProfile): void {
  const { mjpeg, encoder } = profile;
  const { viewers } = exchange.connection.context;
  if (mjpeg === undefined) throw new ProtocolFault("no-pictures", 404, "the profile has no pictures");
  if (viewers.full)
    return exchange.replyText(503, "the limit of clients is reached", [["Retry-After", String(RETRY_AFTER_S)]]);
  encoder.acquire();
  // The head is held back until there is a picture, so that a camera that gives none is a 503 and not an empty stream.
  const wait = mjpeg.awaitPicture(PICTURE_WAIT_US, false, (outcome) => {
    if ("failed" in outcome) {
      encoder.release();
      return answerUnavailable(exchange, profile, outcome.failed);
    }
    exchange.replyStream(profile);
  });
  if (exchange.answered) return;
  exchange.onAbandoned(() => {
    wait.cancel();
    encoder.release();
  });
}

function answerSnapshot(exchange: HttpExchange, profile: StreamProfile): void {
  const { mjpeg, encoder } = profile;
  if (mjpeg === undefined) throw new ProtocolFault("no-pictures", 404, "the profile has no pictures");
  encoder.acquire();
  const wait = mjpeg.awaitPicture(PICTURE_WAIT_US, true, (outcome) => {
    encoder.release();
    if ("failed" in outcome) return answerUnavailable(exchange, profile, outcome.failed);
    exchange.replyPicture(outcome);
  });
  if (exchange.answered) return;
  exchange.onAbandoned(() => {
    wait.cancel();
    encoder.release();
  });
}

/** 503 with the camera's state: the server is up, the picture isn't. */
function answerUnavailable(exchange: HttpExchange, profile: StreamProfile, why: string): void {
  const state = exchange.connection.context.cameras.stateOf(profile.settings.camera);
  exchange.connection.log("warn", `${exchange.request.path} unavailable: ${why}`);
  const fix = state.fix === undefined ? "" : `\nfix: ${state.fix}`;
  exchange.replyText(503, `camera ${profile.settings.camera}: ${describeState(state)}\n${why}${fix}`, [
    ["Retry-After", String(RETRY_AFTER_S)],
  ]);
}
