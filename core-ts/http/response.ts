/**
 * HTTP/1.1 responses (RFC 9112 section 4; status codes RFC 9110 section 15). Row 1.
 */
import { hasControlBytes, isToken } from "../bytes/header-list.ts";
import { utf8Bytes } from "../bytes/text.ts";

const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  507: "Insufficient Storage",
};

export type HttpHeaders = readonly (readonly [name: string, value: string])[];

export type HttpHead = {
  /** 100 … 599. */
  readonly status: number;
  /** In order; a name may come twice. */
  readonly headers?: HttpHeaders;
  /** Written as `Connection: keep-alive` or `close`; absent in 1xx. */
  readonly keepAlive: boolean;
};

export type HttpResponse = HttpHead & {
  /** Text leaves as UTF-8. Absent: empty. */
  readonly body?: Int8Array | string;
  /** The answer to HEAD: the same head, Content-Length included, without the body. */
  readonly head?: boolean;
};

/** `HTTP/1.1 100 Continue`, which lets a client send the body it holds back. */
export const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** The status' phrase; for one without a name, a general word. */
export function reasonOf(status: number): string {
  return REASONS[status] ?? (status < 300 ? "OK" : status < 400 ? "Redirection" : "Error");
}

/**
 * The head alone, when the body goes another way (a blob, an endless stream): the caller gives Content-Length, or none
 * with `keepAlive: false`.
 * @returns an exact-size array that ends with the empty line.
 * @throws Error for a header that would break the framing: a bug of ours, never of the peer's.
 */
export function formatHead(head: HttpHead): Int8Array {
  return utf8Bytes(headText(head));
}

/** A whole response with its Content-Length, in an exact-size array. @throws Error as {@link formatHead}. */
export function formatHttpResponse(response: HttpResponse): Int8Array {
  const { status, headers = [], keepAlive, body = "", head = false } = response;
  const content = typeof body === "string" ? utf8Bytes(body) : body;
  if (headers.some(([name]) => name.toLowerCase() === "content-length")) {
    throw new Error("Content-Length is written by formatHttpResponse");
  }
  // RFC 9110 section 8.6: these have no body and no length.
  const bodiless = status < 200 || status === 204 || status === 304;
  if (bodiless && content.length > 0) throw new Error(`a response ${status} has a body`);
  const lengthField: HttpHeaders = bodiless ? [] : [["Content-Length", String(content.length)]];
  const start = utf8Bytes(headText({ status, headers: [...headers, ...lengthField], keepAlive }));
  if (head || content.length === 0) return start;
  const bytes = new Int8Array(start.length + content.length);
  bytes.set(start);
  bytes.set(content, start.length);
  return bytes;
}

function headText({ status, headers = [], keepAlive }: HttpHead): string {
  if (!Number.isInteger(status) || status < 100 || status > 599) throw new RangeError(`no HTTP status: ${status}`);
  let text = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`;
  for (const [name, value] of headers) {
    if (!isToken(name)) throw new Error(`header name ${JSON.stringify(name)} is not a token`);
    if (hasControlBytes(value)) throw new Error(`the value of header ${name} holds a control character`);
    text += `${name}: ${value}\r\n`;
  }
  if (status >= 200) text += `Connection: ${keepAlive ? "keep-alive" : "close"}\r\n`;
  return `${text}\r\n`;
}
