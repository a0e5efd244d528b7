/**
 * What is fuzzed: every parser that reads a stranger's bytes, and the whole core behind its sockets.
 *
 * A target takes any bytes (one char a byte). What it throws is a finding: parsers may throw ProtocolFault and ConfigFault
 * only, which are swallowed here. Those that are fed must say the same however the stream was cut.
 */
import { parseBasicCredentials } from "../../core-ts/auth/basic.ts";
import { parseDigestCredentials } from "../../core-ts/auth/digest.ts";
import { base64Decode } from "../../core-ts/bytes/base64.ts";
import { GatherPlan } from "../../core-ts/bytes/gather-plan.ts";
import { textOfBytes } from "../../core-ts/bytes/text.ts";
import { decodePathSegments, percentDecode } from "../../core-ts/bytes/url-path.ts";
import { parseConfig } from "../../core-ts/config/config.ts";
import { decodeMessage, encodeMessage } from "../../core-ts/dns/message.ts";
import { ConfigFault, ProtocolFault } from "../../core-ts/errors.ts";
import { HttpParser } from "../../core-ts/http/request-parser.ts";
import { ResponseParser } from "../../core-ts/http/response-parser.ts";
import { parseSequenceParameters } from "../../core-ts/media/h264-sps.ts";
import { parseJpegHeader } from "../../core-ts/media/jpeg-header.ts";
import { decodeCompound } from "../../core-ts/rtcp/compound.ts";
import { H264Packetizer } from "../../core-ts/rtp/h264-packetizer.ts";
import { decodeRtpHeader } from "../../core-ts/rtp/rtp-header.ts";
import { acceptsSdp } from "../../core-ts/rtsp/accept-header.ts";
import { parseRange } from "../../core-ts/rtsp/range-header.ts";
import { RtspParser } from "../../core-ts/rtsp/request-parser.ts";
import { parseSession } from "../../core-ts/rtsp/session-header.ts";
import { absoluteBase, parseTarget, sameStream } from "../../core-ts/rtsp/target.ts";
import { parseTransport } from "../../core-ts/rtsp/transport-header.ts";
import { JPEG, SPS } from "../fakes/fake-host.ts";
import { driveCore, PIECE_END } from "./core-target.ts";
import type { Dialog } from "./dialog.ts";
import { nodeTargets } from "./node-targets.ts";

export type Target = {
  readonly name: string;
  readonly seeds: readonly string[];
  /** @throws what is a finding. */
  run(bytes: string): void;
  /** How many runs cost about as much as a thousand of a parser's: 1000 for parsers. */
  readonly weight: number;
};

/** Bytes as hosts give them to the core: byte 0 as U+0100. */
export function hostText(bytes: string): string {
  return textOfBytes(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

/** Runs what may throw faults, and nothing else. */
function allowingFaults(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ProtocolFault || error instanceof ConfigFault)) throw error;
  }
}

/** Feeds a parser whole, in two pieces and byte by byte, and expects the same of all of them. */
function sameHoweverCut(bytes: string, feed: (pieces: readonly string[]) => unknown): void {
  const text = hostText(bytes);
  const at = text.length === 0 ? 0 : (text.charCodeAt(text.length >> 1) * 257) % (text.length + 1);
  const whole = JSON.stringify(feed([text]));
  if (JSON.stringify(feed([text.slice(0, at), text.slice(at)])) !== whole)
    throw new Error(`cut at ${at} it says another thing`);
  if (text.length > 2_000) return;
  if (JSON.stringify(feed([...text])) !== whole) throw new Error("byte by byte it says another thing");
}

const factOf = (fault: ProtocolFault) => ({ code: fault.code, status: fault.status, message: fault.message });
const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const bytes = (...values: readonly number[]): string => String.fromCharCode(...values);

const AUTHORIZATION =
  'Digest username="viewer", realm="Porthole", nonce="000003c8bf8e99ca326ce65622f1c77610cca2ca05ffa2", ' +
  'uri="rtsp://127.0.0.1:7778/live/back", response="d88172c5fc26dc5f0075e006b28a0943", algorithm="MD5", qop=auth, ' +
  'nc=00000001, cnonce="0a4f113b"';

const DNS_QUERY =
  bytes(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5) +
  "_rtsp" +
  bytes(4) +
  "_tcp" +
  bytes(5) +
  "local" +
  bytes(0, 0, 12, 0x80, 1);
const DNS_ANSWER =
  bytes(0, 0, 0x84, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4) +
  "door" +
  bytes(5) +
  "local" +
  bytes(0, 0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 192, 0, 2, 1) +
  bytes(0xc0, 12, 0, 33, 0x80, 1, 0, 0, 0, 120, 0, 8, 0, 0, 0, 0, 0x1e, 0x62, 0xc0, 12) +
  bytes(0xc0, 12, 0, 16, 0x80, 1, 0, 0, 0, 120, 0, 4, 3) +
  "a=b";

const RTCP = [
  bytes(0x81, 201, 0, 7, 1, 2, 3, 4, 9, 8, 7, 6, 5, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 9, 1, 2, 3, 4, 0, 0, 0, 1),
  bytes(0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 202, 0, 3, 1, 2, 3, 4, 1, 3, 97, 98, 99, 0, 0, 0),
  bytes(0x81, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8),
  bytes(0x84, 206, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 1, 0, 0, 0),
  bytes(0x81, 203, 0, 1, 1, 2, 3, 4),
  bytes(0x80, 200, 0, 6, 1, 2, 3, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5),
];

const CONFIG = JSON.stringify({
  rtsp: { port: 7778, udpPorts: { min: 20_000, max: 29_999 } },
  http: { port: 8089, hostNames: ["camera.lan"], morePorts: [8090] },
  users: [{ name: "owner", role: "admin", password: "correct horse" }],
  cameras: { back: { rotation: 90, linger: 3 } },
  profiles: [{ path: "/live/door", camera: "back", codec: "h264", width: 640, height: 480, keyInterval: 1.5 }],
  webhooks: [{ url: "http://192.0.2.9:8123/hook", events: ["client.left"] }],
  snapshots: { periodic: [{ camera: "back", every: 60 }] },
});

const parser = (name: string, seeds: readonly string[], run: (bytes: string) => void): Target => {
  return { name, seeds, run, weight: 1_000 };
};
const reader = (name: string, seeds: readonly string[], read: (text: string) => void): Target =>
  parser(name, seeds, (input) => allowingFaults(() => read(hostText(input))));

/** @param dialogs of real clients, which are seeds. */
export function targetsOf(dialogs: readonly Dialog[]): readonly Target[] {
  const wire = (protocol: Dialog["protocol"]): string[] =>
    dialogs.filter((each) => each.protocol === protocol).map(({ pieces }) => pieces.join(""));
  return [
    parser(
      "rtsp-requests",
      [...wire("rtsp"), ...RTCP.map((packet) => `$\x01\0${bytes(packet.length)}${packet}`)],
      (input) =>
        sameHoweverCut(input, (pieces) => {
          const rtsp = new RtspParser();
          const inputs = pieces.flatMap((piece) => [...rtsp.feed(piece)]);
          return inputs.map((each) =>
            each.kind === "fault"
              ? { ...factOf(each.fault), cseq: each.cseq }
              : each.kind === "request"
                ? { ...each, headers: each.request.headers.fields }
                : each,
          );
        }),
    ),
    parser(
      "http-requests",
      [
        ...wire("http"),
        "POST /api/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
      ],
      (input) =>
        sameHoweverCut(input, (pieces) => {
          const http = new HttpParser();
          const inputs = pieces.flatMap((piece) => [...http.feed(piece)]);
          return inputs.map((each) =>
            each.kind === "fault"
              ? factOf(each.fault)
              : {
                  ...each,
                  request: { ...each.request, headers: each.request.headers.fields, query: [...each.request.query] },
                },
          );
        }),
    ),
    parser(
      "http-responses",
      [
        "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
        "HTTP/1.0 301 Moved\r\nLocation: /x\r\n\r\nbody until the end",
      ],
      (input) =>
        sameHoweverCut(input, (pieces) => {
          const http = new ResponseParser();
          const all = [...pieces.map((piece) => http.feed(piece)), http.end()];
          const [first] = all.filter((each) => each !== undefined);
          if (first === undefined) return undefined;
          return first.kind === "fault"
            ? factOf(first.fault)
            : { ...first.response, headers: first.response.headers.fields };
        }),
    ),
    reader("rtcp", RTCP, (text) => void decodeCompound(text)),
    reader(
      "rtp-header",
      [bytes(0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 5)],
      (text) => void decodeRtpHeader(text),
    ),
    reader(
      "transport-header",
      [
        "RTP/AVP/TCP;unicast;interleaved=0-1,RTP/AVP;unicast;client_port=5000-5001",
        'RTP/AVP/UDP;unicast;destination="192.0.2.1";client_port=5000;mode="PLAY"',
        "RTP/SAVPF;multicast;port=1-2;ttl=9",
      ],
      (text) => void parseTransport(text),
    ),
    reader("session-header", ["3b9f7c2e41d8a6053b9f7c2e41d8a605;timeout=60"], (text) => void parseSession(text)),
    reader(
      "range-header",
      ["npt=0.000-", "npt=now-", "npt=1:02:03.5-2:00:00", "clock=19961108T143720Z-"],
      (text) => void parseRange(text),
    ),
    reader("accept-header", ["application/sdp, */*;q=0.1"], (text) => void acceptsSdp(text)),
    reader(
      "rtsp-target",
      ["rtsp://user:pass@[2001:db8::1]:7778/live/back/trackID=0?x=1", "*", "/live/%62ack/"],
      (text) => {
        const target = parseTarget(text);
        absoluteBase(target, "rtsp://192.0.2.1");
        sameStream(text, target);
      },
    ),
    reader("url-path", ["/a/b%20c/", "/%2e%2e/x", "/%c3%a4"], (text) => {
      percentDecode(text);
      decodePathSegments(text);
    }),
    reader(
      "digest-header",
      [AUTHORIZATION, AUTHORIZATION.replace(/, qop.*/, "")],
      (text) => void parseDigestCredentials(text),
    ),
    reader(
      "basic-header",
      ["Basic dmlld2VyOmxvb2staW4tNw==", "Basic dXNlcjpww6Rzcw=="],
      (text) => void parseBasicCredentials(text),
    ),
    reader("base64", ["dmlld2VyOmxvb2staW4tNw==", "AA=="], (text) => void base64Decode(text)),
    reader(
      "config",
      [CONFIG, "{}", '{\n  // not JSON\n  "rtsp": [1, 2e9, "\\u00e4", true, null]\n}'],
      (text) => void parseConfig(text),
    ),
    reader("dns", [DNS_QUERY, DNS_ANSWER], (text) => {
      const message = decodeMessage(text);
      // What can be read can be written, in as much room as a datagram has.
      encodeMessage(message);
    }),
    reader("jpeg-header", [latin1(JPEG)], (text) => void parseJpegHeader(text)),
    reader("h264-sps", [latin1(SPS)], (text) => void parseSequenceParameters(text)),
    reader("h264-access-unit", [latin1(SPS), `${latin1(SPS)}\xff${"\x65".repeat(40)}`], (text) => {
      const packetizer = new H264Packetizer({ ssrc: 1, payloadType: 96 });
      packetizer.setParameterSets([text]);
      let offset = 0;
      const units = text.split("\xff").map((head) => {
        const unit = { offset, length: head.length * 50, head: head.slice(0, 512) };
        offset += unit.length;
        return unit;
      });
      packetizer.plan(new GatherPlan(), units, 65_535, 1, 0);
    }),
    ...nodeTargets(),
    {
      name: "core",
      seeds: dialogs.map(({ protocol, pieces }) => (protocol === "rtsp" ? "r" : "h") + pieces.join(PIECE_END)),
      run: driveCore,
      weight: 1,
    },
  ];
}
