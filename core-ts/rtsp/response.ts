/**
 * RTSP responses (RFC 2326 section 7). Row 1.
 *
 * Header names leave exactly as they are given: some clients compare `CSeq`, `RTP-Info` and `WWW-Authenticate` with case.
 */
import { hasControlBytes, isToken } from "../bytes/header-list.ts";
import { utf8Bytes } from "../bytes/text.ts";

/** Section 7.1.1. */
const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  200: "OK",
  201: "Created",
  250: "Low on Storage Space",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Moved Temporarily",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Time-out",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Request Entity Too Large",
  414: "Request-URI Too Large",
  415: "Unsupported Media Type",
  451: "Parameter Not Understood",
  452: "Conference Not Found",
  453: "Not Enough Bandwidth",
  454: "Session Not Found",
  455: "Method Not Valid in This State",
  456: "Header Field Not Valid for Resource",
  457: "Invalid Range",
  458: "Parameter Is Read-Only",
  459: "Aggregate Operation Not Allowed",
  460: "Only Aggregate Operation Allowed",
  461: "Unsupported Transport",
  462: "Destination Unreachable",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Time-out",
  505: "RTSP Version Not Supported",
  551: "Option Not Supported",
};

export type RtspResponse = {
  /** 100 … 599. */
  readonly status: number;
  /** Echo of the request's; absent only when the request had none. */
  readonly cseq?: string | undefined;
  /** In order, after CSeq; a name may come twice. Content-Length is written here. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Sent as UTF-8 with its Content-Length. */
  readonly body?: string;
};

/** The status' phrase; for one without a name, a general word. */
export function reasonOf(status: number): string {
  return REASONS[status] ?? (status < 300 ? "OK" : status < 400 ? "Redirection" : "Error");
}

/**
 * The bytes of a response, in an exact-size array.
 * @throws Error for a header that would break the framing: a bug of ours, never of the peer's.
 */
export function formatResponse(response: RtspResponse): Int8Array {
  const { status, cseq, headers = [], body } = response;
  if (!Number.isInteger(status) || status < 100 || status > 599) throw new RangeError(`no RTSP status: ${status}`);
  let head = `RTSP/1.0 ${status} ${reasonOf(status)}\r\n`;
  if (cseq !== undefined) head += headerLine("CSeq", cseq);
  for (const [name, value] of headers) {
    if (name.toLowerCase() === "content-length") throw new Error("Content-Length is written by formatResponse");
    head += headerLine(name, value);
  }
  if (body === undefined) return utf8Bytes(`${head}\r\n`);
  const content = utf8Bytes(body);
  const start = utf8Bytes(`${head}${headerLine("Content-Length", String(content.length))}\r\n`);
  const bytes = new Int8Array(start.length + content.length);
  bytes.set(start);
  bytes.set(content, start.length);
  return bytes;
}

function headerLine(name: string, value: string): string {
  if (!isToken(name)) throw new Error(`header name ${JSON.stringify(name)} is not a token`);
  if (hasControlBytes(value)) throw new Error(`the value of header ${name} holds a control character`);
  return `${name}: ${value}\r\n`;
}
