/**
 * Require and Proxy-Require (RFC 2326 sections 12.32 and 12.27): features without which a request must not be served.
 * Row 1.
 */
import { splitOutsideQuotes } from "../bytes/header-list.ts";
import type { RtspHeaders } from "./headers.ts";

/** Feature tags that are served: none yet. go2rtc asks for ONVIF's back channel and goes on without it after a 551. */
export const SUPPORTED_FEATURES: readonly string[] = [];

/** The tags that can't be had, as sent. Any: answer 551 with `Unsupported:` and these, joined with `, `. */
export function unsupportedFeatures(
  headers: RtspHeaders,
  supported: readonly string[] = SUPPORTED_FEATURES,
): readonly string[] {
  // Section 12.27: servers treat Proxy-Require as Require.
  return [...headers.all("Require"), ...headers.all("Proxy-Require")]
    .flatMap((value) => splitOutsideQuotes(value, ","))
    .filter((tag) => !supported.includes(tag));
}
