import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { formatResponse, reasonOf } from "./response.ts";

describe("an RTSP response", () => {
  it("is a status line, CSeq, the given headers in their spelling, and an empty line", () => {
    const bytes = formatResponse({
      status: 200,
      cseq: "7",
      headers: [
        ["Session", "0a1b;timeout=60"],
        ["RTP-Info", "url=x;seq=1;rtptime=2"],
      ],
    });
    expect(textOfBytes(bytes)).toBe(
      "RTSP/1.0 200 OK\r\nCSeq: 7\r\nSession: 0a1b;timeout=60\r\nRTP-Info: url=x;seq=1;rtptime=2\r\n\r\n",
    );
    expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
  });

  it("counts its body in bytes", () => {
    const bytes = formatResponse({ status: 200, cseq: "1", body: "s=Tür\r\n" });
    expect(textOfBytes(bytes)).toBe("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 8\r\n\r\ns=T\xc3\xbcr\r\n");
    expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
  });

  it("says that an empty body is empty", () => {
    expect(textOfBytes(formatResponse({ status: 200, body: "" }))).toBe("RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
  });

  it("has one line for each challenge", () => {
    const challenges = [
      ["WWW-Authenticate", 'Digest realm="camera", nonce="1"'],
      ["WWW-Authenticate", 'Basic realm="camera"'],
    ] as const;
    expect(textOfBytes(formatResponse({ status: 401, cseq: "1", headers: challenges }))).toBe(
      'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="camera", nonce="1"\r\n' +
        'WWW-Authenticate: Basic realm="camera"\r\n\r\n',
    );
  });

  it("leaves CSeq out when the request had none", () => {
    expect(textOfBytes(formatResponse({ status: 400, cseq: undefined }))).toBe("RTSP/1.0 400 Bad Request\r\n\r\n");
  });

  it.each([
    [404, "Not Found"],
    [413, "Request Entity Too Large"],
    [414, "Request-URI Too Large"],
    [453, "Not Enough Bandwidth"],
    [454, "Session Not Found"],
    [455, "Method Not Valid in This State"],
    [457, "Invalid Range"],
    [459, "Aggregate Operation Not Allowed"],
    [461, "Unsupported Transport"],
    [505, "RTSP Version Not Supported"],
    [551, "Option Not Supported"],
    [499, "Error"],
  ])("%i is %s", (status, reason) => {
    expect(reasonOf(status)).toBe(reason);
  });

  it("can't be split by what stands in a header", () => {
    const withHeader = (name: string, value: string) => () => formatResponse({ status: 200, headers: [[name, value]] });
    expect(withHeader("Location", "a\r\nX: 1")).toThrow("control character");
    expect(withHeader("Location", "a\nX: 1")).toThrow("control character");
    expect(withHeader("Loca tion", "a")).toThrow("not a token");
    expect(withHeader("", "a")).toThrow("not a token");
    expect(withHeader("content-length", "3")).toThrow("Content-Length");
    expect(() => formatResponse({ status: 200, cseq: "1\r\n" })).toThrow("control character");
    expect(() => formatResponse({ status: 99 })).toThrow(RangeError);
  });
});
