/**
 * What a login meets over RTSP and HTTP alike: whether it is looked at, what its failure costs, and that answers are held. Row 3.
 */
import type { Authenticator, AuthRequest, AuthResult } from "../auth/authenticator.ts";
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import type { Exchange } from "./exchange.ts";

export type LoginVerdict =
  | AuthResult
  /** Too many failed logins of this peer are held already: this one wasn't looked at. */
  | { readonly ok: "busy"; readonly retryAfterS: number };

/** Checks what a request brings with it. A failure is counted and told of; holding the answer is the caller's. */
export function checkLogin(
  exchange: Exchange,
  login: Authenticator,
  request: Omit<AuthRequest, "peerAddress" | "nowUs">,
): LoginVerdict {
  const { context, peerGroup } = exchange.connection;
  const { nowUs } = context.runtime;
  const busy = request.authorization === undefined ? undefined : loginsBusy(exchange);
  if (busy !== undefined) return busy;
  const result = login.check({ ...request, peerAddress: peerGroup, nowUs });
  if (result.ok) {
    exchange.user = result.user.name;
    exchange.connection.noteLogin();
  } else if (result.reason !== "missing" && result.reason !== "stale") noteLoginFailure(exchange, result.reason);
  return result;
}

/** Undefined when a login of this peer may be looked at. */
export function loginsBusy(exchange: Exchange): Extract<LoginVerdict, { ok: "busy" }> | undefined {
  const { context, peer, peerGroup } = exchange.connection;
  const { runtime, loginThrottle } = context;
  const busyUs = loginThrottle.busyFor(peerGroup, runtime.nowUs);
  if (busyUs <= 0) return undefined;
  if (runtime.refusals.note("logins-held", runtime.nowUs)) {
    exchange.connection.log("warn", `login refused peer=${peer.address} reason=logins-held`);
  }
  return { ok: "busy", retryAfterS: Math.ceil(busyUs / MICROS_PER_SECOND) };
}

/** Counts a failure; log and events are told as far as there aren't too many. */
export function noteLoginFailure(exchange: Exchange, reason: string): void {
  const { context, peer, protocol } = exchange.connection;
  const { runtime } = context;
  runtime.metrics.loginFailures[protocol]++;
  if (!runtime.refusals.note("login", runtime.nowUs)) return;
  exchange.connection.log("warn", `login failed peer=${peer.address} reason=${reason}`);
  runtime.events.emit("login.failed", { protocol, address: peer.address, reason });
}

/** Failed logins slow their peer down, right answers included: else the delay would tell which is right. */
export function afterDelay(exchange: Exchange, delayUs: Micros, run: () => void): void {
  if (delayUs <= 0) return run();
  const timer = exchange.connection.context.runtime.after(delayUs, run);
  exchange.onAbandoned(() => timer.cancel());
}
