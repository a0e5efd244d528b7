import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { BOUNDARY, partHeader, partTrailer, streamHead } from "./multipart.ts";

/** What a reader that only trusts Content-Length makes of a stream's body. */
function readParts(body: string): { pictures: string[]; rest: string } {
  const pictures: string[] = [];
  let at = 0;
  for (;;) {
    const header = new RegExp(`(?:\\r\\n)?--${BOUNDARY}\\r\\n((?:[^\\r\\n]+\\r\\n)+)\\r\\n`, "y");
    header.lastIndex = at;
    const match = header.exec(body);
    const length = Number(/^Content-Length: (\d+)\r$/m.exec(match?.[1] ?? "")?.[1]);
    if (match === null || Number.isNaN(length)) return { pictures, rest: body.slice(at) };
    at = header.lastIndex + length;
    pictures.push(body.slice(header.lastIndex, at));
  }
}

const part = (jpeg: string) => partHeader(jpeg.length, 0) + jpeg + partTrailer;

describe("the MJPEG stream", () => {
  const text = textOfBytes(streamHead());
  const end = text.indexOf("\r\n\r\n") + 4;

  it("begins with a head that promises no length and no chunks, and closes", () => {
    expect(text.slice(0, end)).toBe(
      "HTTP/1.1 200 OK\r\n" +
        "Content-Type: multipart/x-mixed-replace; boundary=porthole-frame\r\n" +
        "Cache-Control: no-cache, no-store, must-revalidate\r\n" +
        "Pragma: no-cache\r\n" +
        "Connection: close\r\n\r\n",
    );
    expect(streamHead().byteLength).toBe(streamHead().buffer.byteLength);
  });

  it("names a boundary without leading dashes", () => {
    expect(BOUNDARY).toMatch(/^[a-z][a-z-]*$/);
  });

  it("sends the first boundary at once", () => {
    expect(text.slice(end)).toBe(`--${BOUNDARY}\r\n`);
  });

  it("answers HEAD with the head alone, and takes more headers", () => {
    const head = textOfBytes(streamHead({ head: true, headers: [["Access-Control-Allow-Origin", "*"]] }));
    expect(head).toContain("\r\nAccess-Control-Allow-Origin: *\r\n");
    expect(head.endsWith("\r\n\r\n")).toBe(true);
    expect(head).not.toContain(`--${BOUNDARY}`);
  });

  it("tells type, length and capture time of each picture", () => {
    expect(partHeader(20_000, 12_000_345)).toBe(
      "Content-Type: image/jpeg\r\nContent-Length: 20000\r\nX-Timestamp: 12.000345\r\n\r\n",
    );
    expect(partHeader(1, 0)).toContain("X-Timestamp: 0.000000\r\n");
    expect(partHeader(1, 1_784_000_000_999_999)).toContain("X-Timestamp: 1784000000.999999\r\n");
  });

  it("gives readers every picture, and ends each with a boundary, so that Chrome shows the newest", () => {
    const pictures = ["one", "t\r\nw\r\n--o", ""];
    const body = text.slice(end) + pictures.map(part).join("");
    expect(readParts(body)).toEqual({ pictures, rest: `\r\n--${BOUNDARY}\r\n` });
    expect(body.endsWith(`\r\n--${BOUNDARY}\r\n`)).toBe(true);
  });

  it("stays whole when a part is left out", () => {
    const body = text.slice(end) + part("one") + part("three");
    expect(readParts(body).pictures).toEqual(["one", "three"]);
  });
});
