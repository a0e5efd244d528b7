/**
 * The Accept header of DESCRIBE (RFC 2326 section 12.1, which is RFC 2068 section 14.1's). Row 1.
 */
import { splitOutsideQuotes } from "../bytes/header-list.ts";

/** Media ranges that include `application/sdp`, the more exact the later. */
const RANGES = ["*/*", "application/*", "application/sdp"];

/** Whether a description in SDP may be sent; false: 406. The most exact range decides, and `q=0` refuses. */
export function acceptsSdp(accept: string | undefined): boolean {
  const items = splitOutsideQuotes(accept ?? "", ",");
  if (items.length === 0) return true;
  let exactness = -1;
  let accepted = false;
  for (const item of items) {
    const [range = "", ...parameters] = splitOutsideQuotes(item, ";");
    const rank = RANGES.indexOf(range.toLowerCase());
    if (rank < 0 || rank < exactness) continue;
    exactness = rank;
    accepted = !parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/i.test(parameter));
  }
  return accepted;
}
