import { describe, expect, it } from "vitest";
import { HeaderList } from "../bytes/header-list.ts";
import { acceptsSdp } from "./accept-header.ts";
import { isMethod, METHODS, PUBLIC, refusalStatus } from "./methods.ts";
import { unsupportedFeatures } from "./require-header.ts";

describe("methods", () => {
  it("are advertised only when they answer 200, so SET_PARAMETER is not", () => {
    expect(PUBLIC).toBe("OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER");
    for (const method of METHODS) expect(isMethod(method)).toBe(true);
  });

  it("are compared with case", () => {
    expect(isMethod("options")).toBe(false);
  });

  it("of RFC 2326 that are not served end in 405, unknown ones in 501", () => {
    for (const method of ["ANNOUNCE", "RECORD", "REDIRECT", "SET_PARAMETER"]) {
      expect(isMethod(method)).toBe(false);
      expect(refusalStatus(method)).toBe(405);
    }
    for (const method of ["FROBNICATE", "describe", "GET"]) expect(refusalStatus(method)).toBe(501);
  });
});

describe("Require", () => {
  it("asks for nothing when it is absent", () => {
    expect(unsupportedFeatures(new HeaderList([["CSeq", "1"]]))).toEqual([]);
  });

  it("gives the tags that can't be had, from every such header", () => {
    const headers = new HeaderList([
      ["require", "www.onvif.org/ver20/backchannel, implicit-play"],
      ["Proxy-Require", "gzip"],
    ]);
    expect(unsupportedFeatures(headers)).toEqual(["www.onvif.org/ver20/backchannel", "implicit-play", "gzip"]);
    expect(unsupportedFeatures(headers, ["gzip", "implicit-play"])).toEqual(["www.onvif.org/ver20/backchannel"]);
  });
});

describe("Accept", () => {
  it.each([
    undefined,
    "",
    "application/sdp",
    "Application/SDP",
    "application/sdp;level=2;q=0.5",
    "text/plain, application/sdp",
    "application/*",
    "*/*",
    "*/*;q=0, application/sdp",
    "application/sdp, */*;q=0",
    "application/rtsl, application/sdp;level=-2",
  ])("%j admits SDP", (accept) => {
    expect(acceptsSdp(accept)).toBe(true);
  });

  it.each([
    "text/plain",
    "application/rtsl",
    "text/*",
    "application/sdp;q=0",
    "application/sdp;q=0.000, */*",
    "application/*;q=0, */*",
  ])("%j excludes SDP", (accept) => {
    expect(acceptsSdp(accept)).toBe(false);
  });
});
