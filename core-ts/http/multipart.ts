/**
 * MJPEG over HTTP: an endless `multipart/x-mixed-replace` (RFC 2046 section 5.1.1 for the syntax; the subtype is
 * browsers' own). Row 1.
 *
 *     HTTP/1.1 200 OK … CRLF CRLF            once  ┐ streamHead
 *     --porthole-frame CRLF                  once  ┘
 *     Content-Type … CRLF CRLF               each    partHeader
 *     <jpeg>                                 each
 *     CRLF --porthole-frame CRLF             each    partTrailer
 *
 * The boundary that opens the next part is sent with this one: Chrome shows a picture only when it sees its end. Whole
 * parts can be left out without breaking the rest. ffmpeg, GStreamer and Python readers need the first boundary.
 */
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import { formatHead, type HttpHeaders } from "./response.ts";

/** Constant, and without leading dashes: some readers add two, others compare as it stands. */
export const BOUNDARY = "porthole-frame";

const BOUNDARY_LINE = `--${BOUNDARY}\r\n`;

/**
 * The response head and the first boundary, in an exact-size array. No length and no chunks: the stream ends with the
 * connection.
 * @param options.headers more headers, such as CORS's. @param options.head the answer to HEAD: no boundary.
 */
export function streamHead(options: { readonly headers?: HttpHeaders; readonly head?: boolean } = {}): Int8Array {
  const { headers = [], head = false } = options;
  const start = formatHead({
    status: 200,
    headers: [
      ["Content-Type", `multipart/x-mixed-replace; boundary=${BOUNDARY}`],
      ["Cache-Control", "no-cache, no-store, must-revalidate"],
      ["Pragma", "no-cache"],
      ...headers,
    ],
    keepAlive: false,
  });
  if (head) return start;
  const bytes = new Int8Array(start.length + BOUNDARY_LINE.length);
  bytes.set(start);
  for (let i = 0; i < BOUNDARY_LINE.length; i++) bytes[start.length + i] = BOUNDARY_LINE.charCodeAt(i);
  return bytes;
}

/**
 * What stands before a picture.
 * @param length bytes of the JPEG file.
 * @param timestampUs capture time, 0 or more; written in seconds with six decimals.
 */
export function partHeader(length: number, timestampUs: Micros): string {
  const wholeSeconds = Math.floor(timestampUs / MICROS_PER_SECOND);
  const restUs = String(Math.floor(timestampUs - wholeSeconds * MICROS_PER_SECOND)).padStart(6, "0");
  return `Content-Type: image/jpeg\r\nContent-Length: ${length}\r\nX-Timestamp: ${wholeSeconds}.${restUs}\r\n\r\n`;
}

/** What stands behind a picture: it ends this part and opens the next. */
export const partTrailer = `\r\n${BOUNDARY_LINE}`;
