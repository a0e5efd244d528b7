/**
 * The two faults that are somebody else's: the peer's and the operator's. Row 0.
 *
 * They are thrown where they are found and turned into a response in one place. Anything else that is thrown is a bug
 * of ours, and only that prints a stack.
 */

/** What a peer did wrong. Carries the status to answer; the message states the fact, the limit and the offset. */
export class ProtocolFault extends Error {
  override readonly name = "ProtocolFault";
  /** Stable, for logs and tests: lower case with dashes, such as `header-too-long`. */
  readonly code: string;
  /** RTSP or HTTP status code to answer with. */
  readonly status: number;
  /** True when the byte stream can't be followed any further, so that the connection closes after the answer. */
  readonly fatal: boolean;

  constructor(code: string, status: number, message: string, options: { readonly fatal?: boolean } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.fatal = options.fatal ?? false;
  }
}

/** One thing wrong in the configuration: the key's path, and a sentence with the limit and the cure. Never a value. */
export type ConfigIssue = { readonly path: string; readonly message: string };

/** What the operator did wrong: every fault of one configuration at once. */
export class ConfigFault extends Error {
  override readonly name = "ConfigFault";
  readonly code = "config-invalid";
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map((issue) => `${issue.path}: ${issue.message}`).join("\n"));
    this.issues = issues;
  }
}
