import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import { firstSupported, formatTransport, OFFERS_MAX, parseTransport } from "./transport-header.ts";

const udp = { spec: "RTP/AVP", profile: "RTP/AVP", lower: "udp", multicast: false, unicast: true };
const tcp = { spec: "RTP/AVP/TCP", profile: "RTP/AVP", lower: "tcp", multicast: false, unicast: true };

describe("a client's Transport header", () => {
  it.each([
    ["VLC", "RTP/AVP;unicast;client_port=5000-5001", { ...udp, clientPorts: [5000, 5001] }],
    ["ffmpeg", "RTP/AVP/UDP;unicast;client_port=5000-5001", { ...udp, spec: "RTP/AVP/UDP", clientPorts: [5000, 5001] }],
    ["ffmpeg over TCP", "RTP/AVP/TCP;unicast;interleaved=0-1", { ...tcp, interleaved: [0, 1] }],
    ["without unicast", "RTP/AVP/TCP;interleaved=2-3", { ...tcp, unicast: false, interleaved: [2, 3] }],
    ["without channels (QuickTime)", "RTP/AVP/TCP;unicast", tcp],
    ["with one port", "RTP/AVP;unicast;client_port=5000", { ...udp, clientPorts: [5000, 5001] }],
    ["with one channel", "RTP/AVP/TCP;unicast;interleaved=4", { ...tcp, interleaved: [4, 5] }],
    ["with a quoted mode", 'RTP/AVP/TCP;unicast;mode="PLAY"', { ...tcp, mode: "PLAY" }],
    ["with a bare mode", "RTP/AVP/TCP;unicast;mode=play", { ...tcp, mode: "PLAY" }],
    ["with two modes", 'RTP/AVP/TCP;unicast;mode="RECORD,PLAY"', { ...tcp, mode: "RECORD,PLAY" }],
    ["in other letters", "rtp/avp/tcp;UNICAST;Interleaved=0-1", { ...tcp, interleaved: [0, 1] }],
    ["with blanks", " RTP/AVP ; unicast ; client_port = 5000 - 5001 ", { ...udp, clientPorts: [5000, 5001] }],
    ["with what we ignore", "RTP/AVP/TCP;unicast;destination=198.51.100.9;ttl=1;append;x", tcp],
    ["with ports where channels belong", "RTP/AVP/TCP;unicast;interleaved=256-257", tcp],
    ["with one channel for both", "RTP/AVP/TCP;unicast;interleaved=0-0", tcp],
  ])("%s", (_, value, offer) => {
    expect(parseTransport(value)).toEqual([offer]);
  });

  it("lists alternatives in the client's order", () => {
    const value = 'RTP/AVP;multicast;mode="PLAY,RECORD",RTP/AVP;unicast;client_port=6000-6001,RTP/AVP/TCP;unicast';
    const offers = parseTransport(value);
    expect(offers.map((offer) => offer.lower)).toEqual(["udp", "udp", "tcp"]);
    expect(offers[0]).toMatchObject({ multicast: true, unsupported: "no multicast" });
    expect(firstSupported(offers)).toBe(offers[1]);
  });

  it.each([
    "RTP/SAVP;unicast;client_port=5000-5001",
    "RTP/AVPF/TCP;unicast;interleaved=0-1",
    "RAW/RAW/UDP;unicast;client_port=5000-5001",
    "MP2T/H2221/UDP;unicast;client_port=5000-5001",
    "RTP/AVP/SCTP;unicast",
    "RTP/AVP/TCP/X;unicast",
    "RTP;unicast",
    "nonsense",
    ";unicast",
    "RTP/AVP;multicast;port=5000-5001",
    "RTP/AVP/TCP;unicast;mode=RECORD",
    "RTP/AVP;unicast",
    "RTP/AVP;unicast;client_port=0-1",
    "RTP/AVP;unicast;client_port=65535",
    "RTP/AVP;unicast;client_port=65536-65537",
    "RTP/AVP;unicast;client_port=a-b",
    "RTP/AVP;unicast;client_port=5000-",
  ])("%s is an offer that leads to 461", (value) => {
    const offers = parseTransport(value);
    expect(offers).toHaveLength(1);
    expect(firstSupported(offers)).toBeUndefined();
  });

  it.each(["", " ", ",", " , ,"])("%j, which offers nothing, ends in 400", (value) => {
    expect(() => parseTransport(value)).toThrow(expect.objectContaining({ status: 400, fatal: false }));
    expect(() => parseTransport(value)).toThrow(ProtocolFault);
  });

  it("is read up to a bound", () => {
    const list = (count: number) => Array(count).fill("RTP/AVP/TCP;unicast").join(",");
    expect(parseTransport(list(OFFERS_MAX))).toHaveLength(OFFERS_MAX);
    expect(parseTransport(list(OFFERS_MAX + 1))).toHaveLength(OFFERS_MAX);
  });

  it("gives offers or a ProtocolFault, whatever it holds", () => {
    const nasty = fc.stringMatching(/^[RTPAVUDC/;,="\\0-9_a-z -]{0,60}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), nasty), (value) => {
        try {
          for (const offer of parseTransport(value)) {
            for (const number of [...(offer.clientPorts ?? []), ...(offer.interleaved ?? [])]) {
              expect(number).toBeLessThanOrEqual(65535);
            }
          }
        } catch (error) {
          if (!(error instanceof ProtocolFault)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("the reply's Transport header", () => {
  it("names ports and ssrc, and repeats the spelling of the request", () => {
    const agreed = { lower: "udp", clientPorts: [5000, 5001], serverPorts: [6000, 6001], ssrc: 0xabc } as const;
    const rest = "unicast;client_port=5000-5001;server_port=6000-6001;ssrc=00000ABC";
    expect(formatTransport({ ...agreed, spec: "RTP/AVP/UDP" })).toBe(`RTP/AVP/UDP;${rest}`);
    expect(formatTransport({ ...agreed, spec: "RTP/AVP" })).toBe(`RTP/AVP;${rest}`);
    expect(formatTransport(agreed)).toBe(`RTP/AVP;${rest}`);
  });

  it("names the channels over TCP", () => {
    expect(formatTransport({ lower: "tcp", interleaved: [2, 3], ssrc: 0xdeadbeef })).toBe(
      "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=DEADBEEF",
    );
  });

  it("is one that a client could send", () => {
    const port = fc.integer({ min: 1, max: 65535 });
    const ssrc = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(port, port, ssrc, (a, b, value) => {
        const text = formatTransport({ lower: "udp", clientPorts: [a, b], serverPorts: [b, a], ssrc: value });
        expect(parseTransport(text)).toEqual([{ ...udp, clientPorts: [a, b] }]);
        expect(text).toMatch(/;ssrc=[0-9A-F]{8}$/);
        expect(text).not.toMatch(/source|destination/);
      }),
      { numRuns: 50 },
    );
  });
});
