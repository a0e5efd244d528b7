import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base64Decode } from "../bytes/base64.ts";
import { textOfBytes } from "../bytes/text.ts";
import { formatSdp, h264Fmtp, type MediaDescription, type SessionDescription } from "./session-description.ts";

const SPS = Uint8Array.of(0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16);
const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);
const SETS = [SPS, PPS].map(textOfBytes);

const H264: MediaDescription = {
  kind: "video",
  payloadType: 96,
  rtpmap: "H264/90000",
  fmtp: h264Fmtp(SETS, "42c01f"),
  control: "trackID=0",
  bitrate: 2_000_001,
  framerate: 30,
  dimensions: { width: 1280, height: 720 },
};
const SESSION: SessionDescription = {
  sessionId: "2309737967",
  sessionVersion: "1750000000",
  name: "Porthole live/back",
  address: "192.0.2.7",
  media: [H264],
};

describe("Session description", () => {
  it("of an H.264 stream, line by line", () => {
    expect(formatSdp(SESSION).split("\r\n")).toEqual([
      "v=0",
      "o=- 2309737967 1750000000 IN IP4 192.0.2.7",
      "s=Porthole live/back",
      "c=IN IP4 0.0.0.0",
      "t=0 0",
      "a=control:*",
      "a=range:npt=now-",
      "m=video 0 RTP/AVP 96",
      "b=AS:2001",
      "a=rtpmap:96 H264/90000",
      "a=fmtp:96 packetization-mode=1; profile-level-id=42C01F; sprop-parameter-sets=Z0LAH9oBQBY=,aM48gA==",
      "a=framerate:30",
      "a=framesize:96 1280-720",
      "a=x-dimensions:1280,720",
      "a=control:trackID=0",
      "",
    ]);
  });

  it("of JPEG names the static type's encoding too, for strict parsers", () => {
    const media = { kind: "video", payloadType: 26, rtpmap: "JPEG/90000", control: "trackID=0" } as const;
    const lines = formatSdp({ ...SESSION, media: [media] }).split("\r\n");
    expect(lines.slice(7)).toEqual(["m=video 0 RTP/AVP 26", "a=rtpmap:26 JPEG/90000", "a=control:trackID=0", ""]);
  });

  it("keeps the controls relative, so that SETUP leads back to the camera and codec that were described", () => {
    const controls = formatSdp({ ...SESSION, media: [H264, { ...H264, payloadType: 97, control: "trackID=1" }] })
      .split("\r\n")
      .filter((line) => line.startsWith("a=control:"));
    expect(controls).toEqual(["a=control:*", "a=control:trackID=0", "a=control:trackID=1"]);
  });

  it("names no direction, which ONVIF clients take for a back channel's", () => {
    expect(formatSdp(SESSION)).not.toMatch(/a=(send|recv)/);
  });

  it("speaks IPv6 where the client does", () => {
    const lines = formatSdp({ ...SESSION, address: "2001:db8::7" }).split("\r\n");
    expect(lines).toContain("o=- 2309737967 1750000000 IN IP6 2001:db8::7");
    expect(lines).toContain("c=IN IP6 ::");
  });

  it("lets no name break out of its line, and has one where none is given", () => {
    expect(formatSdp({ ...SESSION, name: "a\r\nm=audio 0\u0000 b" })).toContain("\r\ns=am=audio 0 b\r\n");
    expect(formatSdp({ ...SESSION, name: "\n" })).toContain("\r\ns=-\r\n");
  });

  it("obeys the grammar of RFC 8866, whatever is described", () => {
    const media = fc.record(
      {
        kind: fc.constantFrom("video" as const, "audio" as const, "application" as const),
        payloadType: fc.nat(127),
        rtpmap: fc.constantFrom("H264/90000", "JPEG/90000", "MPEG4-GENERIC/48000/2"),
        control: fc.constantFrom("trackID=0", "trackID=1"),
        fmtp: fc.constantFrom("packetization-mode=1", "", undefined),
        bitrate: fc.option(fc.integer({ min: 0, max: 50_000_000 }), { nil: undefined }),
        framerate: fc.option(fc.double({ min: 0, max: 240, noNaN: true }), { nil: undefined }),
        dimensions: fc.option(
          fc.record({ width: fc.integer({ min: 1, max: 8192 }), height: fc.integer({ min: 1, max: 8192 }) }),
          { nil: undefined },
        ),
      },
      { requiredKeys: ["kind", "payloadType", "rtpmap", "control"] },
    );
    fc.assert(
      fc.property(
        fc.record({
          sessionId: fc.nat().map(String),
          sessionVersion: fc.nat().map(String),
          name: fc.string({ unit: "binary", maxLength: 40 }),
          address: fc.oneof(fc.ipV4(), fc.ipV6()),
          media: fc.array(media, { maxLength: 3 }),
        }),
        (description) => {
          expect(violations(formatSdp(description))).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("is measured by a grammar that can fail", () => {
    const good = formatSdp(SESSION);
    expect(violations(good.replaceAll("\r\n", "\n"))).not.toEqual([]);
    expect(violations(good.replace("t=0 0\r\n", ""))).not.toEqual([]);
    expect(violations(good.replace("b=AS:2001\r\n", "").replace(/$/, "b=AS:2001\r\n"))).not.toEqual([]);
    expect(violations(good.replace("IP4 0.0.0.0", "IP6 0.0.0.0"))).not.toEqual([]);
    expect(violations(good.replace("s=Porthole live/back", "s="))).not.toEqual([]);
    expect(violations(good.replace("AVP 96", "AVP 128"))).not.toEqual([]);
  });
});

describe("H.264's format parameters", () => {
  it("give profile and level, and the parameter sets with SPS first", () => {
    const fmtp = h264Fmtp([...SETS].reverse(), "42c01f");
    const [, sprop] = /sprop-parameter-sets=([^;]+)$/.exec(fmtp)!;
    expect(sprop!.split(",").map((set) => base64Decode(set))).toEqual([SPS, PPS]);
    expect(fmtp).toContain("packetization-mode=1; profile-level-id=42C01F; ");
  });

  it("never hold empty parameter sets, which crash players", () => {
    expect(h264Fmtp([], "42c01f")).toBe("packetization-mode=1; profile-level-id=42C01F");
    expect(h264Fmtp(["", textOfBytes(Uint8Array.of(0x65, 1))], "42c01f")).not.toContain("sprop");
    expect(h264Fmtp(["", ...SETS], "42c01f")).toMatch(/sprop-parameter-sets=Z[^,]+,a[^,]+$/);
  });
});

// ── RFC 8866 section 9, as far as this server's descriptions go; stricter than any client ────────────────────────────

const ADDRESS = String.raw`IN (IP4 \d{1,3}(\.\d{1,3}){3}|IP6 [0-9a-f:]*:[0-9a-f:.]*)`;
const SESSION_LINES: readonly RegExp[] = [
  /^v=0$/,
  new RegExp(`^o=- \\d+ \\d+ ${ADDRESS}$`),
  /^s=\S/,
  new RegExp(`^c=${ADDRESS}$`),
  /^t=0 0$/,
];
const PAYLOAD_TYPE = String.raw`(\d|[1-9]\d|1[01]\d|12[0-7])`;
const MEDIA = new RegExp(`^m=(video|audio|application) 0 RTP/AVP ${PAYLOAD_TYPE}$`);
const BANDWIDTH = /^b=AS:[1-9]\d*$/;
const ATTRIBUTES: readonly RegExp[] = [
  /^a=control:(\*|[A-Za-z]+=\d+)$/,
  /^a=range:npt=now-$/,
  new RegExp(`^a=rtpmap:${PAYLOAD_TYPE} [A-Za-z0-9-]+/\\d+(/\\d+)?$`),
  new RegExp(`^a=fmtp:${PAYLOAD_TYPE} [^=;\\s]+=[^;\\s]+(; [^=;\\s]+=[^;\\s]+)*$`),
  /^a=framerate:\d+(\.\d+)?$/,
  new RegExp(`^a=framesize:${PAYLOAD_TYPE} [1-9]\\d*-[1-9]\\d*$`),
  /^a=x-dimensions:[1-9]\d*,[1-9]\d*$/,
];

function violations(sdp: string): string[] {
  const found: string[] = [];
  if (!sdp.endsWith("\r\n")) found.push("does not end in CRLF");
  const lines = sdp.slice(0, -2).split("\r\n");
  for (const line of lines) if (/[\r\n\0]/.test(line)) found.push(`line break or NUL inside ${JSON.stringify(line)}`);
  SESSION_LINES.forEach((pattern, index) => {
    if (!pattern.test(lines[index] ?? "")) found.push(`line ${index + 1} is not ${pattern}`);
  });
  let bandwidthAllowed = false;
  for (const line of lines.slice(SESSION_LINES.length)) {
    if (line.startsWith("m=")) {
      if (!MEDIA.test(line)) found.push(line);
      bandwidthAllowed = true;
    } else if (line.startsWith("b=")) {
      if (!bandwidthAllowed || !BANDWIDTH.test(line)) found.push(line);
    } else {
      if (!ATTRIBUTES.some((pattern) => pattern.test(line))) found.push(line);
      bandwidthAllowed = false;
    }
  }
  return found;
}
