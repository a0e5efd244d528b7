/**
 * Request targets (RFC 9112 section 3.2; RFC 3986). Row 1.
 */
import { hasControlBytes } from "../bytes/header-list.ts";
import { decodePathSegments, percentDecode } from "../bytes/url-path.ts";
import { ProtocolFault } from "../errors.ts";

export type HttpTarget = {
  /** Decoded once; begins with `/`, keeps a slash at the end; `*` for the server as a whole. */
  readonly path: string;
  /** Decoded names and values, `+` as a blank; of a name given twice the first. */
  readonly query: ReadonlyMap<string, string>;
  /** The authority of an absolute target, which stands above Host (section 3.2.2). */
  readonly authority: string | undefined;
};

/** `name`, `name:port`, `[v6]:port`; empty is allowed by RFC 9110 section 7.2. */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** True for the value of a Host header (RFC 9110 section 7.2). */
export function isHost(value: string): boolean {
  return HOST.test(value);
}

/** @throws ProtocolFault 400, fatal, for another form of target, bad escapes and path tricks. */
export function parseTarget(target: string, method: string): HttpTarget {
  if (target === "*" && method === "OPTIONS") return { path: "*", query: new Map(), authority: undefined };
  if (hasControlBytes(target) || /[\s#\\]/.test(target)) throw badTarget("holds a blank, a control byte or a `#`");
  let rest = target;
  let authority: string | undefined;
  const absolute = /^https?:\/\/([^/?]*)/i.exec(target);
  if (absolute !== null) {
    authority = absolute[1]!;
    if (authority === "" || !isHost(authority)) throw badTarget("has a host that is none");
    rest = target.slice(absolute[0].length);
    if (!rest.startsWith("/")) rest = `/${rest}`;
  }
  if (!rest.startsWith("/")) throw badTarget("is neither a path nor an http URL");
  const question = rest.indexOf("?");
  const rawPath = question < 0 ? rest : rest.slice(0, question);
  return {
    path: `/${decodePath(rawPath)}`,
    query: parseQuery(question < 0 ? "" : rest.slice(question + 1)),
    authority,
  };
}

function decodePath(rawPath: string): string {
  try {
    return decodePathSegments(rawPath).join("/");
  } catch (error) {
    if (!(error instanceof ProtocolFault)) throw error;
    throw new ProtocolFault(error.code, error.status, error.message, { fatal: true });
  }
}

function parseQuery(text: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decodeQueryPart(equals < 0 ? pair : pair.slice(0, equals));
    const value = decodeQueryPart(equals < 0 ? "" : pair.slice(equals + 1));
    if (!query.has(name)) query.set(name, value);
  }
  return query;
}

function decodeQueryPart(part: string): string {
  const text = percentDecode(part.replaceAll("+", " "));
  if (text === undefined) throw badTarget("holds a bad escape in its query");
  return text;
}

function badTarget(what: string): ProtocolFault {
  return new ProtocolFault("bad-target", 400, `the request target ${what}`, { fatal: true });
}
