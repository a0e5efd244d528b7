/** What clients send, from `fixtures/<client>-<method>.txt`, read through every parser that a request meets. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { acceptsSdp } from "./accept-header.ts";
import { isMethod } from "./methods.ts";
import { parseRange } from "./range-header.ts";
import { RtspParser, type RtspRequest } from "./request-parser.ts";
import { unsupportedFeatures } from "./require-header.ts";
import { parseSession } from "./session-header.ts";
import { parseTarget, sameStream } from "./target.ts";
import { firstSupported, parseTransport } from "./transport-header.ts";

const FOLDER = new URL("./fixtures/", import.meta.url);
const SESSION = "3b9f7c2e41d8a6053b9f7c2e41d8a605";

/** A fixture's lines without the comment at its top, with the line ends of the wire. */
function wireOf(name: string): string {
  const lines = readFileSync(new URL(`${name}.txt`, FOLDER), "utf8").split("\n");
  return lines.slice(lines.findIndex((line) => !line.startsWith("#"))).join("\r\n");
}

function requestOf(name: string): RtspRequest {
  const inputs = new RtspParser().feed(wireOf(name));
  expect(inputs.map((input) => input.kind)).toEqual(["request"]);
  const input = inputs[0]!;
  if (input.kind !== "request") throw new Error("no request");
  return input.request;
}

/** What a request comes to, as far as a server looks at it; `udp` are ports, `tcp` channels. */
type Meaning = {
  readonly method: string;
  readonly cseq: string | undefined;
  readonly key: string;
  readonly track?: number;
  readonly udp?: readonly number[] | undefined;
  readonly tcp?: readonly number[] | undefined;
  readonly session?: string | undefined;
  readonly start?: number | "now" | undefined;
};

function meaningOf(name: string): Meaning {
  const { method, uri, headers } = requestOf(name);
  const { key, track } = parseTarget(uri);
  const transport = headers.get("Transport");
  const session = headers.get("Session");
  const range = headers.get("Range");
  const offer = transport === undefined ? undefined : firstSupported(parseTransport(transport));
  return {
    method,
    cseq: headers.get("CSeq"),
    key,
    ...(track === undefined ? {} : { track }),
    ...(offer === undefined ? {} : { [offer.lower]: offer.clientPorts ?? offer.interleaved }),
    ...(session === undefined ? {} : { session: parseSession(session) }),
    ...(range === undefined ? {} : { start: parseRange(range).start }),
  };
}

const back = { key: "/live/back" };
const front = { key: "/live/front" };
const MEANINGS: Record<string, Meaning> = {
  "ffmpeg-options": { method: "OPTIONS", cseq: "1", ...back },
  "ffmpeg-describe": { method: "DESCRIBE", cseq: "2", ...back },
  "ffmpeg-describe-digest": { method: "DESCRIBE", cseq: "3", ...back },
  "ffmpeg-setup-udp": { method: "SETUP", cseq: "4", ...back, track: 0, udp: [21460, 21461] },
  "ffmpeg-setup-tcp": { method: "SETUP", cseq: "4", ...back, track: 0, tcp: [0, 1] },
  "ffmpeg-play": { method: "PLAY", cseq: "5", ...back, session: SESSION, start: 0 },
  "ffmpeg-get-parameter": { method: "GET_PARAMETER", cseq: "6", ...back, session: SESSION },
  "ffmpeg-teardown": { method: "TEARDOWN", cseq: "7", ...back, session: SESSION },
  "vlc-options": { method: "OPTIONS", cseq: "2", ...back },
  "vlc-describe": { method: "DESCRIBE", cseq: "3", ...back },
  "vlc-setup-digest": { method: "SETUP", cseq: "5", ...back, track: 0, udp: [52034, 52035] },
  "vlc-setup-satip": { method: "SETUP", cseq: "0", ...back, udp: [52040, 52041] },
  "vlc-play": { method: "PLAY", cseq: "6", ...back, session: SESSION, start: 0 },
  "gstreamer-options": { method: "OPTIONS", cseq: "1", ...front },
  "gstreamer-describe": { method: "DESCRIBE", cseq: "2", ...front },
  "gstreamer-setup-udp": { method: "SETUP", cseq: "3", ...front, track: 0, udp: [40174, 40175] },
  "gstreamer-setup-tcp": { method: "SETUP", cseq: "3", ...front, track: 0, tcp: [0, 1] },
  "gstreamer-play": { method: "PLAY", cseq: "4", ...front, session: SESSION, start: 0 },
  "live555-describe": { method: "DESCRIBE", cseq: "3", ...back },
  "live555-setup-tcp": { method: "SETUP", cseq: "5", ...back, track: 1, tcp: [2, 3], session: SESSION },
  "live555-pause": { method: "PAUSE", cseq: "7", ...back, session: SESSION },
  "go2rtc-describe-backchannel": { method: "DESCRIBE", cseq: "2", ...back },
  "go2rtc-setup-tcp": { method: "SETUP", cseq: "4", ...back, track: 0, tcp: [0, 1] },
  "go2rtc-play": { method: "PLAY", cseq: "5", ...back, session: SESSION },
};

const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".txt"))
  .map((name) => name.slice(0, -".txt".length));

it("every fixture has its meaning below, and names its origin", () => {
  expect(names.sort()).toEqual(Object.keys(MEANINGS).sort());
  for (const name of names) expect(readFileSync(new URL(`${name}.txt`, FOLDER), "utf8"), name).toMatch(/^# Origin: /m);
});

describe("requests of real clients", () => {
  it.each(Object.entries(MEANINGS))("%s", (name, meaning) => {
    expect(meaningOf(name)).toEqual(meaning);
    expect(isMethod(meaning.method)).toBe(true);
  });

  it("all want SDP", () => {
    for (const name of names) expect(acceptsSdp(requestOf(name).headers.get("Accept")), name).toBe(true);
  });

  it("require nothing, but for go2rtc's first try", () => {
    for (const name of names) {
      const expected = name === "go2rtc-describe-backchannel" ? ["www.onvif.org/ver20/backchannel"] : [];
      expect(unsupportedFeatures(requestOf(name).headers), name).toEqual(expected);
    }
  });

  it("name the request's stream in their Digest answer", () => {
    const withDigest = names.filter((name) => name.endsWith("-digest"));
    expect(withDigest.length).toBeGreaterThan(1);
    for (const name of withDigest) {
      const { uri, headers } = requestOf(name);
      const digestUri = /uri="([^"]*)"/.exec(headers.get("Authorization") ?? "")?.[1];
      expect(sameStream(digestUri ?? "", parseTarget(uri)), name).toBe(true);
    }
  });

  it("come out of one connection whatever lies between", () => {
    const parser = new RtspParser();
    const inputs = names.flatMap((name) => parser.feed(`${wireOf(name)}$\x01\u0100\x01x`));
    expect(inputs.filter((input) => input.kind === "request")).toHaveLength(names.length);
    expect(inputs.filter((input) => input.kind === "interleaved")).toHaveLength(names.length);
    expect(inputs).toHaveLength(2 * names.length);
  });
});
