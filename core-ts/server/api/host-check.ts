/**
 * Whether a request's Host names this server (RFC 9110 section 7.2). Row 3.
 *
 * DNS rebinding: a page of `evil.example` that makes its own name resolve to our address is, to a browser, of our origin.
 * What it can't do is be called by an address, or by a name that the operator has given us.
 */
import type { HttpRequest } from "../../http/request-parser.ts";
import { ApiFault } from "./api-fault.ts";

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const IPV6 = /^\[[0-9a-f:.]+\]$/;

/**
 * @param names what the server may be called beside its addresses and `localhost`; lower case or not.
 * @throws ApiFault 403 for another name. HTTP/1.0 knows requests without Host, which no browser sends: they pass.
 */
export function requireKnownHost({ host, version }: HttpRequest, names: readonly string[]): void {
  if (host === undefined && version === "1.0") return;
  // A name with a dot at its end is the same name.
  const name = (host ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
  if (name === "localhost" || IPV4.test(name) || IPV6.test(name)) return;
  if (names.some((known) => known.toLowerCase() === name)) return;
  throw new ApiFault(
    "unknown-host",
    403,
    "this server is asked for by address; to give it a name, add that to http.hostNames in its configuration",
    { path: "header.Host" },
  );
}
