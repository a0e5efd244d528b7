/**
 * Request URIs (RFC 2326 section 3.2), with every way in which clients bend them. Row 1.
 *
 * The SDP names tracks `trackID=N`, relative to Content-Base. What comes back depends on how a client joins the two:
 *
 *     rtsp://host/live/back/trackID=0          most
 *     rtsp://host/live/back?q=1/trackID=0      ffmpeg, live555: behind the whole URL, query included
 *     rtsp://host/live/back/trackID=0?q=1      GStreamer: behind the path
 *     rtsp://host/live/back/                   the aggregate, as Content-Base
 *     rtsp://host/live/back?q=1/               the aggregate of a URL with a query
 *     /live/back/trackID=0                     no scheme and host
 *     rtsp://name:secret@host/live/back        credentials kept in the line
 */
import { hasControlBytes } from "../bytes/header-list.ts";
import { decodePathSegments } from "../bytes/url-path.ts";
import { ProtocolFault } from "../errors.ts";

/** What the SDP calls track N, relative to Content-Base. */
export function trackControl(track: number): string {
  return `trackID=${track}`;
}

/** The track at the end of a path or a query. Up to three digits: nobody has a thousand tracks. */
const TRACK_SUFFIX = /\/trackID=(\d{1,3})$/i;
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;
const HOST_NAME = /^[A-Za-z0-9._~%-]+$/;
const IPV6_LITERAL = /^\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._~%-]+)?\]$/;

export type RtspTarget = {
  /** `*`: the server as a whole. Every text is then empty. */
  readonly star: boolean;
  /** undefined for a URI without scheme and host. */
  readonly scheme: "rtsp" | "rtsps" | "rtspu" | undefined;
  /** Credentials as sent, still escaped. Never to be logged. */
  readonly userinfo: string | undefined;
  /** As sent; an IPv6 literal with its brackets. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** Decoded once, in the sent case, `/` alone or without a slash at the end, without the track. */
  readonly path: string;
  /** The path in lower case: what profiles are looked up by. */
  readonly key: string;
  /** As sent, without the track or the slash that clients append to it. */
  readonly query: string | undefined;
  /** undefined: the URI names the whole presentation (the aggregate). */
  readonly track: number | undefined;
  /** The URI ends with a slash, as Content-Base does. */
  readonly trailingSlash: boolean;
  /**
   * Text for Content-Base: the request URI without credentials and track. It ends with `/`, and so does its path: that
   * way clients that append text and clients that resolve by RFC 3986 both arrive at the track. Begins with `/` when the
   * URI had no host: see {@link absoluteBase}.
   */
  readonly base: string;
};

/** @throws ProtocolFault 400 for what is no RTSP URI and for path tricks (`..`, escaped slashes, control bytes). */
export function parseTarget(uri: string): RtspTarget {
  if (uri === "*") return STAR;
  if (uri === "" || uri.includes(" ") || uri.includes("\t") || hasControlBytes(uri)) {
    throw badUri("is empty or holds blanks or control bytes");
  }
  const { scheme, userinfo, host, port, rest } = splitAuthority(uri);
  // RFC 2326 gives fragments no meaning; a client that sends one means the URI before it.
  const whole = rest.split("#", 1)[0]!;
  const question = whole.indexOf("?");
  const rawPath = question < 0 ? whole : whole.slice(0, question);
  const rawQuery = question < 0 ? undefined : whole.slice(question + 1);

  // The query may hold the track (`?q=1/trackID=0`). A query of nothing else is none.
  const inQuery = stripTrack(rawQuery === undefined ? "" : `/${rawQuery}`);
  const inPath = inQuery.track === undefined ? stripTrack(rawPath) : { ...stripSlashes(rawPath), track: undefined };
  const query = inQuery.text === "" ? undefined : inQuery.text.slice(1);

  const names = decodePathSegments(inPath.text === "" ? "/" : inPath.text).filter((name) => name !== "");
  const path = `/${names.join("/")}`;
  const origin = host === undefined ? "" : `${scheme}://${host}${port === undefined ? "" : `:${port}`}`;
  return {
    star: false,
    scheme,
    userinfo,
    host,
    port,
    path,
    key: path.toLowerCase(),
    query,
    track: inQuery.track ?? inPath.track,
    trailingSlash: inQuery.trailingSlash || (rawQuery === undefined && inPath.trailingSlash),
    base: `${origin}${inPath.text}/${query === undefined ? "" : `?${query}/`}`,
  };
}

const STAR: RtspTarget = {
  star: true,
  scheme: undefined,
  userinfo: undefined,
  host: undefined,
  port: undefined,
  path: "",
  key: "",
  query: undefined,
  track: undefined,
  trailingSlash: false,
  base: "",
};

/**
 * The target's base as an absolute URL.
 * @param origin what stands for scheme and host when the request had none, such as `rtsp://192.0.2.7:8554`.
 */
export function absoluteBase(target: RtspTarget, origin: string): string {
  return target.host === undefined ? `${origin}${target.base === "" ? "/" : target.base}` : target.base;
}

/**
 * Whether the `uri` of a Digest answer (RFC 2617 section 3.2.2) names the stream that the request line names. Clients
 * write the base URL or the stream's URL where the request line has the track (VLC, HappyTime, Grandstream), or a path
 * alone (Bosch): so host, query, track, case and a slash at the end don't count; the path does.
 */
export function sameStream(digestUri: string, target: RtspTarget): boolean {
  if (target.star || digestUri === "*") return target.star && digestUri === "*";
  try {
    return parseTarget(digestUri).key === target.key;
  } catch (error) {
    if (error instanceof ProtocolFault) return false;
    throw error;
  }
}

type Authority = Pick<RtspTarget, "scheme" | "userinfo" | "host" | "port"> & { readonly rest: string };

function splitAuthority(uri: string): Authority {
  const match = SCHEME.exec(uri);
  if (match === null) {
    // `live/back` is taken as `/live/back`; `mailto:x` and `host:554/x` are no RTSP URIs.
    const rest = uri.startsWith("/") || uri.startsWith("?") ? uri : `/${uri}`;
    if (rest !== uri && /^[^/?#]*:/.test(uri)) throw badUri("has an unknown scheme");
    return { scheme: undefined, userinfo: undefined, host: undefined, port: undefined, rest };
  }
  const scheme = match[1]!.toLowerCase();
  if (scheme !== "rtsp" && scheme !== "rtsps" && scheme !== "rtspu") throw badUri("has an unknown scheme");
  const afterScheme = uri.slice(match[0].length);
  const length = afterScheme.search(/[/?#]/);
  const authority = length < 0 ? afterScheme : afterScheme.slice(0, length);
  const rest = length < 0 ? "" : afterScheme.slice(length);
  // Passwords hold unescaped `@`; hosts never do.
  const at = authority.lastIndexOf("@");
  const userinfo = at < 0 ? undefined : authority.slice(0, at);
  const hostPort = authority.slice(at + 1);
  if (hostPort.includes("\\")) throw badUri("holds a backslash");
  if (hostPort === "") return { scheme, userinfo, host: undefined, port: undefined, rest };
  const portMatch = /:(\d*)$/.exec(hostPort);
  const host = portMatch === null ? hostPort : hostPort.slice(0, portMatch.index);
  if (!(host.startsWith("[") ? IPV6_LITERAL : HOST_NAME).test(host)) throw badUri("has a host that is none");
  const port = portMatch === null || portMatch[1] === "" ? undefined : Number(portMatch[1]);
  if (port !== undefined && (port < 1 || port > 65535)) throw badUri("has a port outside 1 … 65535");
  return { scheme, userinfo, host, port, rest };
}

type Stripped = { readonly text: string; readonly track: number | undefined; readonly trailingSlash: boolean };

/** Without the track and the slashes around it. */
function stripTrack(text: string): Stripped {
  const { text: bare, trailingSlash } = stripSlashes(text);
  const match = TRACK_SUFFIX.exec(bare);
  if (match === null) return { text: bare, track: undefined, trailingSlash };
  return { text: stripSlashes(bare.slice(0, match.index)).text, track: Number(match[1]), trailingSlash };
}

function stripSlashes(text: string): { readonly text: string; readonly trailingSlash: boolean } {
  let end = text.length;
  while (end > 0 && text[end - 1] === "/") end--;
  return { text: text.slice(0, end), trailingSlash: end < text.length };
}

function badUri(what: string): ProtocolFault {
  return new ProtocolFault("bad-uri", 400, `the request URI ${what}`);
}
