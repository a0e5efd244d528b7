import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { CONTINUE, formatHead, formatHttpResponse, reasonOf } from "./response.ts";

describe("an HTTP response", () => {
  it("has its headers in order, Content-Length in bytes, and says whether the connection stays", () => {
    const headers = [["Content-Type", "text/plain; charset=utf-8"]] as const;
    const bytes = formatHttpResponse({ status: 200, headers, keepAlive: true, body: "Tür" });
    expect(textOfBytes(bytes)).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nT\xc3\xbcr",
    );
    expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
  });

  it("takes bytes as they are", () => {
    const bytes = formatHttpResponse({ status: 200, keepAlive: false, body: Int8Array.from([0, -1, 10]) });
    expect(textOfBytes(bytes)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\u0100\xff\n");
  });

  it("answers HEAD with the length that GET would have, and no body", () => {
    expect(textOfBytes(formatHttpResponse({ status: 200, keepAlive: true, body: "abc", head: true }))).toBe(
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
    );
  });

  it("has a length of 0 without a body, so that the client doesn't wait", () => {
    expect(textOfBytes(formatHttpResponse({ status: 404, keepAlive: true }))).toBe(
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
    );
  });

  it.each([204, 304])("%i has neither body nor length", (status) => {
    expect(textOfBytes(formatHttpResponse({ status, keepAlive: true }))).not.toContain("Content-Length");
    expect(() => formatHttpResponse({ status, keepAlive: true, body: "x" })).toThrow("has a body");
  });

  it("can be a head alone, whose body goes another way", () => {
    const bytes = formatHead({ status: 200, headers: [["Content-Length", "70000"]], keepAlive: true });
    expect(textOfBytes(bytes)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\nConnection: keep-alive\r\n\r\n");
    expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
  });

  it("100 Continue is as formatHead would write it", () => {
    expect(textOfBytes(formatHead({ status: 100, keepAlive: true }))).toBe(CONTINUE);
  });

  it("can't be split by what stands in a header", () => {
    const withHeader = (name: string, value: string) => () =>
      formatHttpResponse({ status: 200, headers: [[name, value]], keepAlive: true });
    expect(withHeader("Location", "/a\r\nX: 1")).toThrow("control character");
    expect(withHeader("Location", "/a\rb")).toThrow("control character");
    expect(withHeader("Loca:tion", "a")).toThrow("not a token");
    expect(withHeader("content-length", "3")).toThrow("Content-Length");
    expect(() => formatHead({ status: 600, keepAlive: true })).toThrow(RangeError);
    expect(() => formatHead({ status: 200.5, keepAlive: true })).toThrow(RangeError);
  });

  it.each([
    [431, "Request Header Fields Too Large"],
    [299, "OK"],
    [399, "Redirection"],
    [499, "Error"],
  ])("%i is %s", (status, reason) => {
    expect(reasonOf(status)).toBe(reason);
  });
});
