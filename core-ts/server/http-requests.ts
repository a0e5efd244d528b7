/**
 * What every HTTP request meets before its route (RFC 9110): is it meant for us, and who asks. Row 3.
 *
 * Host → login → route, role, origin, parameters, body (api/router.ts). What the routes are stands in api/routes.ts. Every
 * exchange gets exactly one answer, now or later; what is thrown as a ProtocolFault on the way becomes it.
 */
import type { Micros } from "../time/units.ts";
import { ApiFault } from "./api/api-fault.ts";
import { requireKnownHost } from "./api/host-check.ts";
import { Router } from "./api/router.ts";
import { ROUTES } from "./api/routes.ts";
import type { HttpExchange } from "./http-connection.ts";

const router = new Router(ROUTES);

/** Answers one request. @throws ProtocolFault as the answer. */
export function answerHttp(exchange: HttpExchange): void {
  const { request, connection } = exchange;
  requireKnownHost(request, connection.context.config.http.hostNames);
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

/** Failed logins slow their address down, right answers included: else the delay would tell which is right. */
function afterDelay(exchange: HttpExchange, delayUs: Micros, run: () => void): void {
  if (delayUs <= 0) return run();
  const timer = exchange.connection.context.runtime.after(delayUs, run);
  exchange.onAbandoned(() => timer.cancel());
}
