/**
 * What each RTSP method does (RFC 2326 section 10). Row 3.
 *
 * Every function here gives its exchange exactly one answer, now or later. Faults are thrown as {@link ProtocolFault} and
 * become the answer in one place, the connection.
 */
import { ProtocolFault } from "../errors.ts";
import { NalType, nalType } from "../media/h264-nal.ts";
import { parseSequenceParameters } from "../media/h264-sps.ts";
import { acceptsSdp } from "../rtsp/accept-header.ts";
import { isMethod, type Method, PUBLIC, refusalStatus } from "../rtsp/methods.ts";
import { LIVE_RANGE, parseRange } from "../rtsp/range-header.ts";
import { unsupportedFeatures } from "../rtsp/require-header.ts";
import { formatRtpInfo } from "../rtsp/rtp-info.ts";
import { formatSession, parseSession } from "../rtsp/session-header.ts";
import { absoluteBase, parseTarget, type RtspTarget, sameStream, trackControl } from "../rtsp/target.ts";
import { formatTransport, type NumberPair, parseTransport, type TransportOffer } from "../rtsp/transport-header.ts";
import { formatSdp, h264Fmtp } from "../sdp/session-description.ts";
import { type Micros, seconds } from "../time/units.ts";
import { describeState } from "./cameras.ts";
import type { EncoderFormat } from "./encoder.ts";
import { afterDelay, checkLogin } from "./login-gate.ts";
import type { StreamProfile } from "./profiles.ts";
import { H264_PAYLOAD_TYPE, JPEG_PAYLOAD_TYPE } from "./rtp-feed.ts";
import { RETRY_AFTER_S, type RtspExchange } from "./rtsp-connection.ts";
import { RtspSession, type SessionTransport } from "./rtsp-session.ts";
import { UdpPair } from "./udp-pair.ts";

/** Longest that DESCRIBE waits for an encoder's parameter sets before it answers 503. */
export const DESCRIBE_WAIT_US: Micros = seconds(3);
/** Sessions that one connection may hold. */
export const SESSIONS_PER_CONNECTION = 8;

const TRACK = 0;

/** Answers one request. */
export function answerRtsp(exchange: RtspExchange): void {
  const { request } = exchange;
  if (request.headers.get("CSeq") === undefined) {
    throw new ProtocolFault("cseq-missing", 400, "the request has no CSeq header (RFC 2326 section 12.17)");
  }
  const unsupported = unsupportedFeatures(request.headers);
  if (unsupported.length > 0) return exchange.reply(551, [["Unsupported", unsupported.join(", ")]]);
  const target = parseTarget(request.uri);
  if (request.method === "OPTIONS") return answerOptions(exchange);
  const { method } = request;
  if (!isMethod(method)) return refuseMethod(exchange);
  withLogin(exchange, target, () => exchange.attempt(() => answerAuthorised(exchange, method, target)));
}

function answerAuthorised(exchange: RtspExchange, method: Method, target: RtspTarget): void {
  switch (method) {
    case "OPTIONS":
      return answerOptions(exchange);
    case "DESCRIBE":
      return answerDescribe(exchange, target);
    case "SETUP":
      return answerSetup(exchange, target);
    case "PLAY":
      return answerPlay(exchange, target);
    case "PAUSE":
      return answerPause(exchange, target);
    case "TEARDOWN":
      return answerTeardown(exchange, target);
    case "GET_PARAMETER":
      return answerGetParameter(exchange);
  }
}

/** OPTIONS needs no login: ffmpeg, VLC and live555 begin with one and give up on a 401. */
function answerOptions(exchange: RtspExchange): void {
  const session = findSession(exchange);
  session?.touch();
  exchange.reply(200, [["Public", PUBLIC]]);
}

function refuseMethod(exchange: RtspExchange): void {
  const status = refusalStatus(exchange.request.method);
  exchange.reply(status, [[status === 405 ? "Allow" : "Public", PUBLIC]]);
}

function withLogin(exchange: RtspExchange, target: RtspTarget, proceed: () => void): void {
  const { connection, request } = exchange;
  const login = connection.context.rtspLogin;
  if (login === undefined) {
    connection.noteLogin();
    return proceed();
  }
  if (isKeepAlive(exchange)) return proceed();
  const result = checkLogin(exchange, login, {
    method: request.method,
    authorization: request.headers.get("Authorization"),
    sameTarget: (uri) => sameStream(uri, target),
  });
  // RTSP 1.0 has no 429.
  if (result.ok === "busy") return exchange.reply(503, [["Retry-After", String(result.retryAfterS)]]);
  if (result.ok) return afterDelay(exchange, result.delayUs, proceed);
  const headers = result.challenges.map((challenge) => ["WWW-Authenticate", challenge] as const);
  afterDelay(exchange, result.delayUs, () => exchange.reply(401, headers));
}

/**
 * A sign of life for a session that this very connection set up needs no login of its own: a nonce ages, and VLC doesn't
 * take up the new one that a 401 would bring, so an hour's watching would end there.
 */
function isKeepAlive(exchange: RtspExchange): boolean {
  if (exchange.request.method !== "GET_PARAMETER") return false;
  const session = findSession(exchange);
  return session !== undefined && exchange.connection.sessions.has(session);
}

function findProfile(exchange: RtspExchange, target: RtspTarget): StreamProfile {
  const profile = exchange.connection.context.profiles.byKey(target.key);
  if (profile === undefined || !profile.settings.rtsp) {
    throw new ProtocolFault("no-such-stream", 404, `there is no stream ${target.path}`);
  }
  if (target.track !== undefined && target.track !== TRACK) {
    throw new ProtocolFault("no-such-track", 404, `${target.path} has one track, trackID=${TRACK}`);
  }
  return profile;
}

/** The session that the request names, or undefined when it names none. */
function findSession(exchange: RtspExchange): RtspSession | undefined {
  const header = exchange.request.headers.get("Session");
  if (header === undefined) return undefined;
  const session = exchange.connection.context.sessions.get(parseSession(header) ?? "");
  // The id is the bearer's proof; bound to the address, one that was overheard helps nobody elsewhere.
  if (session === undefined || session.peerAddress !== exchange.connection.peer.address) return undefined;
  return session;
}

/** The session that a request needs, which must be of the stream that it names. */
function requireSession(exchange: RtspExchange, target: RtspTarget): RtspSession {
  const session = findSession(exchange) ?? soleSession(exchange);
  if (session === undefined) throw new ProtocolFault("no-such-session", 454, "the session is unknown or has ended");
  if (!target.star && target.key !== "/" && target.key !== session.profile.key) {
    throw new ProtocolFault("session-of-another-stream", 454, `the session is not one of ${target.path}`);
  }
  if (target.track !== undefined && target.track !== TRACK) {
    throw new ProtocolFault("no-such-track", 404, `${target.path} has one track, trackID=${TRACK}`);
  }
  session.touch();
  return session;
}

/** A request without a Session header on a connection that has just one session can mean no other. */
function soleSession(exchange: RtspExchange): RtspSession | undefined {
  if (exchange.request.headers.get("Session") !== undefined) return undefined;
  const { sessions } = exchange.connection;
  return sessions.size === 1 ? [...sessions][0] : undefined;
}

function answerDescribe(exchange: RtspExchange, target: RtspTarget): void {
  const profile = findProfile(exchange, target);
  if (!acceptsSdp(exchange.request.headers.get("Accept"))) {
    throw new ProtocolFault("not-acceptable", 406, "descriptions are application/sdp only");
  }
  const { encoder } = profile;
  encoder.acquire();
  const wait = encoder.whenFormatted(DESCRIBE_WAIT_US, (outcome) => {
    encoder.release();
    if ("failed" in outcome) return answerUnavailable(exchange, profile, outcome.failed);
    const sdp = describe(exchange, profile, outcome);
    if (sdp === undefined) return answerUnavailable(exchange, profile, "the encoder gave no usable parameter sets");
    exchange.reply(
      200,
      [
        ["Content-Base", baseOf(exchange, target)],
        ["Content-Type", "application/sdp"],
      ],
      sdp,
    );
  });
  if (exchange.answered) return;
  exchange.onAbandoned(() => {
    wait.cancel();
    encoder.release();
  });
}

/** 503 with the camera's state: the server is up, the picture isn't. */
function answerUnavailable(exchange: RtspExchange, profile: StreamProfile, why: string): void {
  const { context } = exchange.connection;
  const { camera } = profile.encoder.spec;
  const state = context.cameras.stateOf(camera);
  const fix = state.fix === undefined ? "" : `fix: ${state.fix}\r\n`;
  exchange.connection.log("warn", `${profile.path} unavailable: ${why}`);
  exchange.reply(
    503,
    [
      ["Retry-After", String(RETRY_AFTER_S)],
      ["X-Camera-State", oneLine(describeState(state))],
      ["Content-Type", "text/plain"],
    ],
    `camera ${camera}: ${oneLine(describeState(state))}\r\nstream ${profile.path}: ${oneLine(why)}\r\n${fix}`,
  );
}

/** Content-Base is written from the request URI: only the client knows by which name or address it reaches us. */
function baseOf(exchange: RtspExchange, target: RtspTarget): string {
  const { address, port } = exchange.connection.local;
  const scheme = exchange.connection.isTls ? "rtsps" : "rtsp";
  return absoluteBase(target, `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`);
}

/** Reasons come from the system; a header must not be broken by one. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, " ");
}

function describe(exchange: RtspExchange, profile: StreamProfile, format: EncoderFormat): string | undefined {
  const { connection } = exchange;
  const { runtime, serverName } = connection.context;
  const common = { kind: "video", control: trackControl(TRACK), framerate: profile.encoder.spec.fps } as const;
  const session = {
    sessionId: String(profile.feed.stream.ssrc),
    sessionVersion: String(Math.floor(runtime.clock().wallUs / 1_000_000)),
    name: `${serverName} ${profile.path}`,
    address: connection.local.address,
  };
  if (format.codec === "jpeg") {
    const dimensions = { width: format.width, height: format.height };
    return formatSdp({
      ...session,
      media: [{ ...common, payloadType: JPEG_PAYLOAD_TYPE, rtpmap: "JPEG/90000", dimensions }],
    });
  }
  const spsSet = format.parameterSets.find((set) => nalType(set) === NalType.SPS);
  const sps = spsSet === undefined ? undefined : parseSequenceParameters(spsSet);
  if (sps === undefined || "reason" in sps) return undefined;
  const fmtp = h264Fmtp(format.parameterSets, sps.profileLevelId);
  return formatSdp({
    ...session,
    media: [
      {
        ...common,
        payloadType: H264_PAYLOAD_TYPE,
        rtpmap: "H264/90000",
        fmtp,
        bitrate: profile.settings.bitrate,
        dimensions: { width: format.width, height: format.height },
      },
    ],
  });
}

function answerSetup(exchange: RtspExchange, target: RtspTarget): void {
  const { connection } = exchange;
  const header = exchange.request.headers.get("Transport");
  if (header === undefined) throw new ProtocolFault("transport-missing", 400, "SETUP needs a Transport header");
  const profile = findProfile(exchange, target);
  const named = exchange.request.headers.get("Session") !== undefined;
  const existing = findSession(exchange);
  if (named && existing === undefined)
    throw new ProtocolFault("no-such-session", 454, "the session is unknown or has ended");
  if (existing !== undefined && !connection.sessions.has(existing)) {
    // It would be served over one connection and end with the other.
    throw new ProtocolFault("session-of-another-connection", 454, "the session was set up by another connection");
  }
  if (existing !== undefined && existing.profile !== profile) {
    throw new ProtocolFault(
      "aggregate-across-streams",
      459,
      "a session holds one stream; set up another session for this one",
    );
  }
  if (existing !== undefined && existing.state !== "ready") {
    throw new ProtocolFault("setup-while-playing", 455, "the transport can't change while the session plays");
  }
  if (existing === undefined) dropAbandonedSessions(exchange, profile);
  const offer = parseTransport(header).find((each) => isServed(exchange, each));
  if (offer === undefined)
    throw new ProtocolFault("transport-unsupported", 461, "none of the offered transports is served");
  if (existing === undefined) requireRoom(exchange);
  if (offer.lower === "tcp") setUpInterleaved(exchange, profile, existing, offer.interleaved);
  else if (offer.clientPorts !== undefined) setUpUdp(exchange, profile, existing, offer.spec, offer.clientPorts);
}

function requireRoom({ connection }: RtspExchange): void {
  if (connection.sessions.size >= SESSIONS_PER_CONNECTION) {
    throw new ProtocolFault("too-many-sessions", 453, `a connection holds at most ${SESSIONS_PER_CONNECTION} sessions`);
  }
  const refusal = connection.context.viewers.refusal(connection.peer.address);
  if (refusal !== undefined) throw new ProtocolFault("too-many-clients", 453, refusal);
}

/**
 * ffmpeg, when no UDP packet arrives, pauses, forgets its session and sets up another over TCP on the same connection. What
 * it forgot would count as a client until its time-out.
 */
function dropAbandonedSessions(exchange: RtspExchange, profile: StreamProfile): void {
  for (const session of [...exchange.connection.sessions]) {
    if (session.profile === profile && session.state === "ready") session.end("set up anew", false);
  }
}

/** Over RTSPS there is no UDP: without SRTP it would show everybody on the way what TLS hides. */
function isServed({ connection }: RtspExchange, offer: TransportOffer): boolean {
  const { rtsp } = connection.context.config;
  return offer.unsupported === undefined && (offer.lower === "tcp" ? rtsp.tcp : rtsp.udp && !connection.isTls);
}

function setUpInterleaved(
  exchange: RtspExchange,
  profile: StreamProfile,
  existing: RtspSession | undefined,
  asked: NumberPair | undefined,
): void {
  const { connection } = exchange;
  const own: readonly number[] = existing?.transport.kind === "tcp" ? existing.transport.channels : [];
  const taken = (channel: number): boolean => !own.includes(channel) && connection.usesChannel(channel);
  const channels = profile.feed.choosePair(asked, taken);
  if (channels === undefined)
    throw new ProtocolFault("no-free-channels", 461, "all 256 channels of the connection are in use");
  const session = adoptTransport(exchange, profile, existing, { kind: "tcp", carrier: connection, channels });
  replySetup(
    exchange,
    session,
    formatTransport({ lower: "tcp", interleaved: channels, ssrc: profile.feed.stream.ssrc }),
  );
}

function setUpUdp(
  exchange: RtspExchange,
  profile: StreamProfile,
  existing: RtspSession | undefined,
  spec: string,
  clientPorts: NumberPair,
): void {
  const { connection } = exchange;
  const { runtime, config } = connection.context;
  let session: RtspSession | undefined;
  const pair = new UdpPair(
    runtime,
    {
      localAddress: connection.local.address,
      peerAddress: connection.peer.address,
      peerPorts: clientPorts,
      range: config.rtsp.udpPorts,
    },
    {
      onPairOpen: (open) => {
        const refusal = whyTooLate(exchange, profile, existing);
        if (refusal !== undefined) {
          open.close();
          return exchange.reply(refusal, refusal === 453 ? [["Retry-After", String(RETRY_AFTER_S)]] : []);
        }
        session = adoptTransport(exchange, profile, existing, { kind: "udp", pair: open });
        const agreed = {
          lower: "udp",
          spec,
          clientPorts,
          serverPorts: open.ports,
          ssrc: profile.feed.stream.ssrc,
        } as const;
        replySetup(exchange, session, formatTransport(agreed));
      },
      onPairFailed: (reason) => {
        connection.log("warn", `SETUP: ${reason}`);
        exchange.reply(503, [["Retry-After", String(RETRY_AFTER_S)]]);
      },
      onRtcp: (data) => session?.onRtcp(data),
      onRtpRefused: () => session?.onRefused(),
    },
  );
  exchange.onAbandoned(() => pair.close());
}

/** What has changed while the ports were opened, as a status: the stream, the session, or the last free place. */
function whyTooLate(
  { connection: { context, peer } }: RtspExchange,
  profile: StreamProfile,
  existing: RtspSession | undefined,
): number | undefined {
  const { profiles, viewers } = context;
  if (profiles.byKey(profile.key) !== profile) return 404;
  if (existing !== undefined) return existing.state === "ready" ? undefined : existing.state === "ended" ? 454 : 455;
  return viewers.whyFull(peer.address) === undefined ? undefined : 453;
}

function adoptTransport(
  exchange: RtspExchange,
  profile: StreamProfile,
  existing: RtspSession | undefined,
  transport: SessionTransport,
): RtspSession {
  if (existing !== undefined) {
    existing.replaceTransport(transport);
    return existing;
  }
  const { connection } = exchange;
  const { context } = connection;
  const session = new RtspSession(
    context.runtime,
    context.viewers,
    profile,
    transport,
    {
      id: context.runtime.randomHex(16),
      peerAddress: connection.peer.address,
      user: exchange.user,
      userAgent: exchange.request.headers.get("User-Agent"),
      timeoutUs: seconds(context.config.rtsp.sessionTimeout),
      udpPacing: context.config.rtsp.udpPacing,
    },
    (ended) => {
      context.sessions.delete(ended.id);
      connection.sessions.delete(ended);
    },
  );
  context.sessions.set(session.id, session);
  connection.sessions.add(session);
  connection.log("info", `set up path=${profile.path} transport=${transport.kind} peer=${connection.peer.address}`);
  return session;
}

function replySetup(exchange: RtspExchange, session: RtspSession, transport: string): void {
  const timeout = exchange.connection.context.config.rtsp.sessionTimeout;
  exchange.reply(200, [
    ["Transport", transport],
    ["Session", formatSession(session.id, timeout)],
  ]);
}

function answerPlay(exchange: RtspExchange, target: RtspTarget): void {
  const session = requireSession(exchange, target);
  const { profile } = session;
  const range = exchange.request.headers.get("Range");
  if (range !== undefined) parseRange(range);
  if (session.state === "playing") return exchange.reply(200, [sessionLine(exchange, session)]);
  if (session.state !== "ready")
    throw new ProtocolFault("play-in-progress", 455, "the session is being started already");
  const url = baseOf(exchange, target) + trackControl(TRACK);
  session.play((first) => {
    if (first === "failed") return answerUnavailable(exchange, profile, profile.encoder.reason);
    if (first === "ended") return exchange.reply(454);
    if (first === "paused") return exchange.reply(455);
    const info =
      first === undefined
        ? []
        : [["RTP-Info", formatRtpInfo([{ url, seq: first.sequence, rtptime: first.rtpTime }])] as const];
    exchange.reply(200, [sessionLine(exchange, session), ["Range", LIVE_RANGE], ...info]);
  });
  exchange.onAbandoned(() => session.end("its client went away before the answer to PLAY", false));
}

function sessionLine(exchange: RtspExchange, session: RtspSession): readonly [string, string] {
  return ["Session", formatSession(session.id, exchange.connection.context.config.rtsp.sessionTimeout)];
}

function answerPause(exchange: RtspExchange, target: RtspTarget): void {
  const session = requireSession(exchange, target);
  session.pause();
  exchange.reply(200, [sessionLine(exchange, session)]);
}

function answerTeardown(exchange: RtspExchange, target: RtspTarget): void {
  const session = requireSession(exchange, target);
  session.end("teardown", false);
  exchange.reply(200, [["Session", session.id]]);
}

/** Clients send it empty, as a sign of life; we have no parameters to give (RFC 2326 section 10.8). */
function answerGetParameter(exchange: RtspExchange): void {
  const { request } = exchange;
  const session = findSession(exchange);
  if (session === undefined && request.headers.get("Session") !== undefined) {
    throw new ProtocolFault("no-such-session", 454, "the session is unknown or has ended");
  }
  session?.touch();
  if (request.body.trim() !== "") throw new ProtocolFault("no-parameters", 451, "this server has no parameters");
  exchange.reply(200, session === undefined ? [] : [sessionLine(exchange, session)]);
}
