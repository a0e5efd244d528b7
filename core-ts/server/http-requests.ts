/**
 * What every HTTP request meets before its route (RFC 9110): is it meant for us, and who asks. Row 3.
 *
 * Host → login or stream token → route, role, origin, parameters, body (api/router.ts). What the routes are stands in api/routes.ts. Every
 * exchange gets exactly one answer, now or later; what is thrown as a ProtocolFault on the way becomes it.
 */
import { ApiFault } from "./api/api-fault.ts";
import { requireKnownHost } from "./api/host-check.ts";
import { Router } from "./api/router.ts";
import { ROUTES } from "./api/routes.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { afterDelay, checkLogin, loginsBusy, noteLoginFailure } from "./login-gate.ts";
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
  const { httpLogin } = connection.context;
  if (httpLogin === undefined) {
    exchange.role = "admin";
    connection.noteLogin();
    return proceed();
  }
  const token = request.query.get("token");
  const shown = token === undefined ? undefined : router.shownBy(connection.context, request);
  if (token !== undefined && shown !== undefined) return withToken(exchange, token, shown, proceed);
  const result = checkLogin(exchange, httpLogin, {
    method: request.method,
    authorization: request.headers.get("Authorization"),
    sameTarget: (uri) => uri === request.target || uri === request.path,
  });
  if (result.ok === "busy") return refuseBusy(exchange, result.retryAfterS);
  if (result.ok) {
    exchange.role = result.user.role;
    return afterDelay(exchange, result.delayUs, proceed);
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
  const { peerGroup } = connection;
  const busy = loginsBusy(exchange);
  if (busy !== undefined) return refuseBusy(exchange, busy.retryAfterS);
  const refuse = (message: string): void =>
    exchange.replyFault(new ApiFault("bad-token", 403, message, { path: "query.token" }));
  const token = tokens.find(text);
  if (token === undefined) {
    noteLoginFailure(exchange, "token");
    const delayUs = loginThrottle.failed(peerGroup, runtime.nowUs);
    return afterDelay(exchange, delayUs, () => refuse("this is no token of ours, or it was revoked"));
  }
  afterDelay(exchange, loginThrottle.delay(peerGroup, runtime.nowUs), () => {
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

/** RFC 6585 section 4. The login is not looked at, so this says nothing of it. */
function refuseBusy(exchange: HttpExchange, retryAfterS: number): void {
  const message = `too many failed logins of this address are held; try again in ${retryAfterS} s`;
  const headers = [["Retry-After", String(retryAfterS)]] as const;
  exchange.replyFault(new ApiFault("logins-held", 429, message, { headers }));
}
