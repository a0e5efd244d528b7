/**
 * Digest access authentication: RFC 7616, with RFC 2617 and RFC 2069 for the clients that stayed there. Row 1.
 *
 *     WWW-Authenticate: Digest realm="Porthole", nonce="…", algorithm=MD5
 *     Authorization: Digest username="u", realm="Porthole", nonce="…", uri="rtsp://…", response="<32 hex>"
 */
import { ProtocolFault } from "../errors.ts";
import { type HashAlgorithm, hashHex } from "./hash.ts";

/** An `Authorization` value past this is refused unread, in characters; the header parsers stop at the same length. */
export const AUTHORIZATION_MAX_CHARS = 2_048;
/** RFC 7616 knows eleven parameters. */
export const DIGEST_MAX_PARAMETERS = 24;
const PARAMETER_NAME_MAX_CHARS = 32;

export type DigestChallenge = {
  /** Printable ASCII without quotes and backslashes. */
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: HashAlgorithm;
  /** Offer `qop="auth"`. */
  readonly qop: boolean;
  /** The credentials were right but the nonce had run out: try again without asking the user. */
  readonly stale: boolean;
};

/** What a client says in `Authorization: Digest`. Values are unquoted and unescaped. */
export type DigestCredentials = {
  readonly username: string;
  /** Empty when absent. */
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  /** Lower case. */
  readonly response: string;
  readonly algorithm: HashAlgorithm;
  /** Present when the client chose `qop=auth`. */
  readonly qop?: { readonly nc: string; readonly cnonce: string };
};

/**
 * One `WWW-Authenticate` value. live555 (and VLC with it) reads it with `sscanf`, so realm comes first, then nonce, then
 * `stale`, each after exactly one comma and one blank; everything else is behind them.
 */
export function formatDigestChallenge(challenge: DigestChallenge): string {
  let value = `Digest realm="${challenge.realm}", nonce="${challenge.nonce}"`;
  if (challenge.stale) value += ", stale=true";
  value += `, algorithm=${challenge.algorithm}`;
  if (challenge.qop) value += ', qop="auth"';
  return value;
}

/** `Authorization: Digest …` as a client writes it (RFC 7616 section 3.4). Used by tests and by our own clients. */
export function formatDigestCredentials(credentials: DigestCredentials): string {
  const parameters = [
    `username=${quoted(credentials.username)}`,
    `realm=${quoted(credentials.realm)}`,
    `nonce=${quoted(credentials.nonce)}`,
    `uri=${quoted(credentials.uri)}`,
    `response=${quoted(credentials.response)}`,
    `algorithm=${credentials.algorithm}`,
  ];
  if (credentials.qop !== undefined) {
    parameters.push("qop=auth", `nc=${credentials.qop.nc}`, `cnonce=${quoted(credentials.qop.cnonce)}`);
  }
  return `Digest ${parameters.join(", ")}`;
}

/**
 * Reads an `Authorization` value whose scheme is Digest. Parameters come in any order, quoted or not; unknown ones are
 * ignored. `algorithm` absent means MD5.
 * @throws ProtocolFault 400 for bad syntax, a parameter given twice, a missing one, or one past its limit.
 */
export function parseDigestCredentials(value: string): DigestCredentials {
  const parameters = parseParameters(value);
  const required = (name: string): string => {
    const found = parameters.get(name);
    if (found === undefined) throw fault("authorization-incomplete", `Digest credentials without ${name}`);
    return found;
  };
  const algorithm = algorithmOf(parameters.get("algorithm"));
  const response = required("response").toLowerCase();
  const digits = algorithm === "MD5" ? 32 : 64;
  if (response.length !== digits || !/^[0-9a-f]+$/.test(response)) {
    throw fault("authorization-response", `the response is not ${digits} hexadecimal digits`);
  }
  const credentials = {
    username: required("username"),
    realm: parameters.get("realm") ?? "",
    nonce: required("nonce"),
    uri: required("uri"),
    response,
    algorithm,
  };
  const qop = parameters.get("qop");
  if (qop === undefined || qop === "") return credentials;
  // auth-int would need the body's hash, and is not offered.
  if (qop.toLowerCase() !== "auth") throw fault("authorization-qop", "the only qop here is auth");
  const nc = required("nc");
  if (!/^[0-9a-fA-F]{8}$/.test(nc)) throw fault("authorization-nc", "nc is not 8 hexadecimal digits");
  return { ...credentials, qop: { nc, cnonce: required("cnonce") } };
}

/**
 * The response that proves knowledge of HA1. With qop RFC 7616 section 3.4.1, without it RFC 2069 section 2.1.2.
 * @param method as in the request line. @param ha1 `H(name:realm:password)`, lower-case hexadecimal.
 */
export function digestResponse(
  credentials: Pick<DigestCredentials, "nonce" | "uri" | "algorithm" | "qop">,
  method: string,
  ha1: string,
): string {
  const { algorithm, nonce, uri, qop } = credentials;
  const ha2 = hashHex(algorithm, `${method}:${uri}`);
  const middle = qop === undefined ? nonce : `${nonce}:${qop.nc}:${qop.cnonce}:auth`;
  return hashHex(algorithm, `${ha1}:${middle}:${ha2}`);
}

function algorithmOf(text: string | undefined): HashAlgorithm {
  const name = (text ?? "MD5").toUpperCase();
  if (name === "MD5" || name === "SHA-256") return name;
  throw fault("authorization-algorithm", "the algorithms here are MD5 and SHA-256");
}

/** RFC 7235 section 2.1: `auth-scheme 1*SP #auth-param`, with empty list elements tolerated (RFC 7230 section 7). */
function parseParameters(value: string): Map<string, string> {
  if (value.length > AUTHORIZATION_MAX_CHARS) {
    throw fault("authorization-too-long", `${value.length} characters, at most ${AUTHORIZATION_MAX_CHARS}`);
  }
  const parameters = new Map<string, string>();
  const scheme = /^\s*Digest(?=[\s,]|$)/i.exec(value);
  if (scheme === null) throw fault("authorization-scheme", "the scheme is not Digest");
  let at = scheme[0].length;
  while (true) {
    while (at < value.length && /[\s,]/.test(value[at]!)) at++;
    if (at >= value.length) return parameters;
    const start = at;
    while (at < value.length && TOKEN_CHARACTER.test(value[at]!)) at++;
    const name = value.slice(start, at).toLowerCase();
    if (name.length === 0 || name.length > PARAMETER_NAME_MAX_CHARS) {
      throw fault("authorization-syntax", `no parameter name at offset ${start}`);
    }
    at = skipBlanks(value, at);
    if (value[at] !== "=") throw fault("authorization-syntax", `no "=" at offset ${at}`);
    at = skipBlanks(value, at + 1);
    let text = "";
    if (value[at] === '"') {
      for (at++; value[at] !== '"'; at++) {
        if (value[at] === "\\") at++;
        if (at >= value.length) throw fault("authorization-syntax", "a quoted value has no end");
        text += value[at]!;
      }
      at++;
    } else {
      // Not only token characters: clients write unquoted uris and base64 cnonces.
      const from = at;
      while (at < value.length && !/[\s,"]/.test(value[at]!)) at++;
      text = value.slice(from, at);
    }
    if (parameters.has(name)) throw fault("authorization-duplicate", `a parameter twice, at offset ${start}`);
    if (parameters.size === DIGEST_MAX_PARAMETERS) {
      throw fault("authorization-parameters", `more than ${DIGEST_MAX_PARAMETERS} parameters`);
    }
    parameters.set(name, text);
    at = skipBlanks(value, at);
    if (at < value.length && value[at] !== ",") throw fault("authorization-syntax", `no comma at offset ${at}`);
  }
}

/** RFC 7230 section 3.2.6. */
const TOKEN_CHARACTER = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function fault(code: string, message: string): ProtocolFault {
  return new ProtocolFault(code, 400, message);
}
