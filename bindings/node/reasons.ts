/**
 * System error codes as the contract's close reasons. Host side.
 */
import type { CloseReason } from "../contract/events.ts";

const REASONS: Readonly<Record<string, CloseReason>> = {
  ECONNRESET: "reset",
  EPIPE: "reset",
  ECONNABORTED: "reset",
  ETIMEDOUT: "timeout",
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  EADDRINUSE: "in-use",
  EACCES: "denied",
  EPERM: "denied",
  ENOTFOUND: "not-found",
  EAI_AGAIN: "not-found",
  ENOENT: "not-found",
};

export type SystemError = Error & { readonly code?: string; readonly syscall?: string };

export function reasonOf(error: SystemError): CloseReason {
  return REASONS[error.code ?? ""] ?? "failed";
}
