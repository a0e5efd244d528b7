/**
 * TLS in the configuration: what no single key shows. Row 1.
 */
import type { WrittenConfig } from "./schema.ts";

/** @param good says whether nothing is wrong at these paths so far. */
export function tlsIssues(
  { rtsp, http, tls }: WrittenConfig,
  good: (...paths: string[]) => boolean,
  add: (path: string, message: string) => void,
): void {
  for (const [name, section] of [["rtsp", rtsp] as const, ["http", http] as const]) {
    if (good(name) && section.enabled && !section.plain && !section.tls.enabled) {
      add(name, "plain and tls.enabled are both false, which leaves no way in; set one to true, or enabled to false");
    }
  }
  if (good("rtsp") && rtsp.enabled && rtsp.tls.enabled && !rtsp.tcp) {
    add("rtsp.tls.enabled", "needs rtsp.tcp: over TLS streams go interleaved only; set that to true");
  }
  if (good("tls") && (tls.certificate === undefined) !== (tls.key === undefined)) {
    add("tls", "has one of certificate and key; give both, or neither for a self-signed certificate");
  }
}
