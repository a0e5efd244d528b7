/**
 * The compound RTCP packets that a profile's readers get (RFC 3550 sections 6.1 and 6.4.1). Row 3.
 */
import { encodeCompound } from "../rtcp/compound.ts";
import { ntpFromWall } from "../time/ntp.ts";
import type { StreamProfile } from "./profiles.ts";
import type { Runtime } from "./runtime.ts";

/** A sender report with the CNAME: the same for all readers at one time. */
export function senderReport(runtime: Runtime, profile: StreamProfile): Int8Array {
  return encodeCompound([report(runtime, profile), description(profile)]);
}

/** The same with a BYE, for the end of a stream that the client did not ask for (RFC 3550 section 6.6). */
export function goodbyeReport(runtime: Runtime, profile: StreamProfile): Int8Array {
  return encodeCompound([
    report(runtime, profile),
    description(profile),
    { type: "goodbye", ssrcs: [profile.feed.stream.ssrc], reason: undefined },
  ]);
}

function report(runtime: Runtime, profile: StreamProfile) {
  const { stream } = profile.feed;
  const { nowUs, wallUs } = runtime.clock();
  return {
    type: "sender-report",
    ssrc: stream.ssrc,
    ntp: ntpFromWall(profile.wallClock.wallOf(nowUs, wallUs)),
    rtpTime: stream.timestampOf(nowUs),
    packets: stream.packets,
    octets: stream.octets,
    blocks: [],
  } as const;
}

function description(profile: StreamProfile) {
  return {
    type: "source-description",
    chunks: [{ ssrc: profile.feed.stream.ssrc, cname: profile.cname }],
  } as const;
}
