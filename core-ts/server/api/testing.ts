/**
 * An HTTP client of a server on the fake host. For tests only: nothing of the bundle imports this file. Row 3.
 */
import type { FakePeer } from "../../../test/fakes/fake-host.ts";
import { HTTP_PORT, parseResponse, type Response, startServer, type World } from "../testing.ts";

export const ADMIN = { name: "owner", password: "o-1" };
export const VIEWER = { name: "guest", password: "g-1" };
export type Login = typeof ADMIN;

/** A server with an admin and a viewer. */
export function startWithLogins(config: Record<string, unknown> = {}): World {
  return startServer({
    auth: { enabled: true },
    users: [
      { ...ADMIN, role: "admin" },
      { ...VIEWER, role: "viewer" },
    ],
    ...config,
  });
}

export type Asked = {
  readonly login?: Login | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is text. */
  readonly body?: unknown;
};

/** The text of a request; `Host: 127.0.0.1` and, with a body, `Content-Type: application/json` unless given. */
export function requestText(method: string, target: string, { login, headers = {}, body }: Asked = {}): string {
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
  const all: Record<string, string> = { Host: "127.0.0.1" };
  if (login !== undefined) all.Authorization = `Basic ${btoa(`${login.name}:${login.password}`)}`;
  if (body !== undefined) Object.assign(all, { "Content-Type": "application/json", "Content-Length": text.length });
  Object.assign(all, headers);
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n${text}`;
}

/** Asks on a connection of its own and gives the answer; of an endless one the head, with what came so far as body. */
export function ask(world: World, method: string, target: string, asked: Asked = {}): Response {
  const { peer, response } = askAndStay(world, method, target, asked);
  peer.drop();
  world.host.settle(world.core);
  return response;
}

/** As {@link ask}, with the connection left open. */
export function askAndStay(
  world: World,
  method: string,
  target: string,
  asked: Asked = {},
): { readonly peer: FakePeer; readonly response: Response } {
  const peer = world.host.connect(HTTP_PORT, { address: "127.0.0.1" });
  world.host.settle(world.core);
  peer.send(requestText(method, target, asked));
  world.host.settle(world.core);
  let text = "";
  for (let waitedUs = 0; waitedUs <= 5_000_000; waitedUs += 50_000) {
    text += peer.text();
    const response = method === "HEAD" ? headOf(text) : parseResponse(text)?.response;
    if (response !== undefined) {
      if (response.headers.has("content-length")) return { peer, response };
      const body = text.slice(text.indexOf("\r\n\r\n") + 4);
      return { peer, response: { ...response, body } };
    }
    world.host.advance(world.core, 50_000);
  }
  throw new Error(`no answer to ${method} ${target}: ${JSON.stringify(text)}`);
}

/** HEAD's answer has the length of a body that does not follow. */
function headOf(text: string): Response | undefined {
  return parseResponse(text.replace(/^Content-Length: \d+\r\n/m, ""))?.response;
}

/** `error` of an answer of 400 and more. */
export function errorOf(response: Response): {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
} {
  return (JSON.parse(response.body) as { error: { code: string; message: string; path?: string } }).error;
}
