/**
 * What every HTTP request meets before its route (RFC 9110): is it meant for us, and who asks. Row 3.
 *
 * Host → login or stream token → route, role, origin, parameters, body (api/router.ts). What the routes are stands in api/routes.ts. Every
 * exchange gets exactly one answer, now or later; what is thrown as a ProtocolFault on the way becomes it.
 */
import type { Micros } from "../time/units.ts";
import { ApiFault } from "./api/api-fault.ts";
import { requireKnownHost } from "./api/host-check.ts";
import { Router } from "./api/router.ts";
import { ROUTES } from "./api/routes.ts";
import type { HttpExchange } from "./http-exchange.ts";
import type { StreamProfile } from "./profiles.ts";

const router = new Router(ROUTES);

/** Answers one request. @throws ProtocolFault as the answer. */
export function answerHttp(exchange: HttpExchange): void {
  const { request, connection } = exchange;
  const { config, ownNames } = connection.context;
  requireKnownHost(request, [...config.http.hostNames, ...ownNames]);
  // Without CORS headers a browser takes this as a no; nothing here is meant for pages of other sites.
  if (request.method === "OPTIONS") return exchange.reply(204, [["Allow", router.allowed(request.path)]]);
  withLogin(exchange, () => exchange.attempt(() => router.answer(exchange)));
}

function withLogin(exchange: HttpExchange, proceed: () => void): void {
  const { connection, request } = exchange;
  const { httpLogin, runtime } = connection.context;
  if (httpLogin === undefined) {
    exchange.role = "admin";
    connection.noteLogin();
    return proceed();
  }
  const token = request.query.get("token");
  const shown = token === undefined ? undefined : router.shownBy(connection.context, request);
  if (token !== undefined && shown !== undefined) return withToken(exchange, token, shown, proceed);
  const result = httpLogin.check({
    method: request.method,
    authorization: request.headers.get("Authorization"),
    peerAddress: connection.peer.address,
    nowUs: runtime.nowUs,
    sameTarget: (uri) => uri === request.target || uri === request.path,
  });
  if (result.ok) {
    exchange.user = result.user.name;
    exchange.role = result.user.role;
    connection.noteLogin();
    return afterDelay(exchange, result.delayUs, proceed);
  }
  if (result.reason !== "missing" && result.reason !== "stale") {
    connection.log("warn", `login failed peer=${connection.peer.address} reason=${result.reason}`);
    runtime.events.emit("login.failed", { protocol: "http", address: connection.peer.address, reason: result.reason });
  }
  const headers = result.challenges.map((challenge) => ["WWW-Authenticate", challenge] as const);
  const fault = new ApiFault("login-needed", 401, "a login is needed", { headers });
  afterDelay(exchange, result.delayUs, () => exchange.replyFault(fault));
}

/**
 * A token stands for its user, as a viewer of its stream. What is wrong with one is a 403: a 401 would make browsers ask for
 * a login in front of somebody else's page.
 */
function withToken(exchange: HttpExchange, text: string, shown: StreamProfile, proceed: () => void): void {
  const { connection } = exchange;
  const { runtime, tokens, profiles, loginThrottle } = connection.context;
  const { address } = connection.peer;
  const refuse = (message: string): void =>
    exchange.replyFault(new ApiFault("bad-token", 403, message, { path: "query.token" }));
  const token = tokens.find(text);
  if (token === undefined) {
    connection.log("warn", `login failed peer=${address} reason=token`);
    runtime.events.emit("login.failed", { protocol: "http", address, reason: "token" });
    const delayUs = loginThrottle.failed(address, runtime.nowUs);
    return afterDelay(exchange, delayUs, () => refuse("this is no token of ours, or it was revoked"));
  }
  afterDelay(exchange, loginThrottle.delay(address, runtime.nowUs), () => {
    if (!tokens.has(token.id)) return refuse("this is no token of ours, or it was revoked");
    if (profiles.jpegByHttpKey(`/${token.stream}`) !== shown) return refuse("this token is another stream's");
    tokens.noteUse(token.id);
    exchange.user = token.user;
    exchange.token = token.id;
    exchange.role = "viewer";
    connection.noteLogin();
    proceed();
  });
}

/** Failed logins slow their address down, right answers included: else the delay would tell which is right. */
function afterDelay(exchange: HttpExchange, delayUs: Micros, run: () => void): void {
  if (delayUs <= 0) return run();
  const timer = exchange.connection.context.runtime.after(delayUs, run);
  exchange.onAbandoned(() => timer.cancel());
}
