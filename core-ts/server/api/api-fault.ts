/**
 * A fault of a request that names its place: the key of the body, the parameter or the header. Row 3.
 */
import { ProtocolFault } from "../../errors.ts";
import type { HttpHeaders } from "../../http/response.ts";

export class ApiFault extends ProtocolFault {
  /** Such as `users[0].name`, `query.since` or `header.Host`; undefined when it is the request as a whole. */
  readonly path: string | undefined;
  /** Further fields of the answer's `error`, such as a camera's `state`. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly headers: HttpHeaders;

  /** @param status 400 … 599. */
  constructor(
    code: string,
    status: number,
    message: string,
    more: {
      readonly path?: string;
      readonly details?: Readonly<Record<string, unknown>>;
      readonly headers?: HttpHeaders;
    } = {},
  ) {
    super(code, status, message);
    this.path = more.path;
    this.details = more.details ?? {};
    this.headers = more.headers ?? [];
  }
}

/** The body of every answer of 400 and more: `{"error": {"code", "message", "path"?, …}}`. */
export function faultBody(fault: ProtocolFault): string {
  const { code, message } = fault;
  const path = fault instanceof ApiFault && fault.path !== undefined ? { path: fault.path } : {};
  const details = fault instanceof ApiFault ? fault.details : {};
  return JSON.stringify({ error: { code, message, ...path, ...details } });
}
