/**
 * The Transport header (RFC 2326 section 12.39). Row 1.
 */
import { splitOutsideQuotes, trimBlanks, unquote } from "../bytes/header-list.ts";
import { ProtocolFault } from "../errors.ts";

/** Most alternatives read from one header; a client lists two or three. */
export const OFFERS_MAX = 16;

/** RTP first, RTCP second. */
export type NumberPair = readonly [rtp: number, rtcp: number];

/** One alternative of a client's Transport header, in its order of preference. */
export type TransportOffer = {
  /** The specifier in upper case as sent, such as `RTP/AVP` or `RTP/AVP/UDP`: the reply repeats it. */
  readonly spec: string;
  /** Protocol and profile: `RTP/AVP`, `RTP/SAVP` … */
  readonly profile: string;
  /** UDP when the specifier names none. */
  readonly lower: "udp" | "tcp";
  /** The word `multicast` is there. */
  readonly multicast: boolean;
  /**
   * The word `unicast` is there. Neither: the RFC's default is multicast, but clients that leave the word out and give
   * ports or channels mean unicast, and there is no multicast here.
   */
  readonly unicast: boolean;
  /** Ports 1 … 65535. One port alone means the next one for RTCP. */
  readonly clientPorts?: NumberPair;
  /** Channels 0 … 255. Absent when the client leaves them to us, or sends none that can be used. */
  readonly interleaved?: NumberPair;
  /** In upper case without quotes; absent: PLAY. */
  readonly mode?: string;
  /** Why this server can't take it, for the log; such offers end in 461. */
  readonly unsupported?: string;
};

/** @throws ProtocolFault 400 when the header is empty. What it offers may still be unsupported, all of it. */
export function parseTransport(value: string): readonly TransportOffer[] {
  const offers = splitOutsideQuotes(value, ",").slice(0, OFFERS_MAX).map(parseOffer);
  if (offers.length === 0) throw new ProtocolFault("transport-empty", 400, "the Transport header is empty");
  return offers;
}

/** The first offer that can be taken; undefined: answer 461, which makes ffmpeg, VLC and GStreamer try the next one. */
export function firstSupported(offers: readonly TransportOffer[]): TransportOffer | undefined {
  return offers.find((offer) => offer.unsupported === undefined);
}

function parseOffer(text: string): TransportOffer {
  const [specText = "", ...parameters] = splitOutsideQuotes(text, ";");
  const spec = specText.toUpperCase();
  const [protocol = "", profileName = "", lowerName = "UDP", ...more] = spec.split("/");
  const profile = `${protocol}/${profileName}`;
  const values = new Map<string, string>();
  for (const parameter of parameters) {
    const equals = parameter.indexOf("=");
    const name = trimBlanks(equals < 0 ? parameter : parameter.slice(0, equals)).toLowerCase();
    const given = equals < 0 ? "" : unquote(trimBlanks(parameter.slice(equals + 1)));
    if (!values.has(name)) values.set(name, given);
  }
  const lower = lowerName === "TCP" ? "tcp" : "udp";
  const clientPorts = parsePair(values.get("client_port"), 1, 65535);
  const channels = parsePair(values.get("interleaved"), 0, 255);
  const mode = values.get("mode")?.toUpperCase();
  const multicast = values.has("multicast");

  let unsupported: string | undefined;
  if (profile !== "RTP/AVP" || more.length > 0 || (lowerName !== "UDP" && lowerName !== "TCP")) {
    unsupported = "only RTP/AVP over UDP or TCP";
  } else if (multicast) unsupported = "no multicast";
  else if (mode !== undefined && !mode.split(",").some((item) => trimBlanks(item) === "PLAY")) {
    unsupported = "only mode PLAY";
  } else if (lower === "udp" && clientPorts === undefined) unsupported = "UDP without usable client_port";

  return {
    spec,
    profile,
    lower,
    multicast,
    unicast: values.has("unicast"),
    ...(clientPorts === undefined ? {} : { clientPorts }),
    // The same channel for both would make RTP and RTCP indistinguishable.
    ...(channels === undefined || channels[0] === channels[1] ? {} : { interleaved: channels }),
    ...(mode === undefined ? {} : { mode }),
    ...(unsupported === undefined ? {} : { unsupported }),
  };
}

/** `a-b`, or `a` for a and a+1. */
function parsePair(text: string | undefined, least: number, most: number): NumberPair | undefined {
  const match = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(text ?? "");
  if (match === null) return undefined;
  const first = Number(match[1]);
  const second = match[2] === undefined ? first + 1 : Number(match[2]);
  return first >= least && first <= most && second >= least && second <= most ? [first, second] : undefined;
}

/** What was agreed on: exactly one transport. */
export type AgreedTransport =
  | {
      readonly lower: "udp";
      /** The offer's: ffmpeg writes `RTP/AVP/UDP`, VLC and GStreamer write `RTP/AVP`. */
      readonly spec?: string;
      readonly clientPorts: NumberPair;
      readonly serverPorts: NumberPair;
      /** 32 bits, unsigned. */
      readonly ssrc: number;
    }
  | { readonly lower: "tcp"; readonly interleaved: NumberPair; readonly ssrc: number };

/**
 * The reply's Transport header. It names no `source` and `destination`: media comes from where the control connection
 * ends, and a `destination` of the client's choosing would aim our packets at others.
 */
export function formatTransport(agreed: AgreedTransport): string {
  // Section 12.39: ssrc is eight hexadecimal digits.
  const ssrc = (agreed.ssrc >>> 0).toString(16).toUpperCase().padStart(8, "0");
  if (agreed.lower === "tcp") return `RTP/AVP/TCP;unicast;interleaved=${pairText(agreed.interleaved)};ssrc=${ssrc}`;
  const ports = `client_port=${pairText(agreed.clientPorts)};server_port=${pairText(agreed.serverPorts)}`;
  return `${agreed.spec === "RTP/AVP/UDP" ? agreed.spec : "RTP/AVP"};unicast;${ports};ssrc=${ssrc}`;
}

function pairText(pair: NumberPair): string {
  return `${pair[0]}-${pair[1]}`;
}
