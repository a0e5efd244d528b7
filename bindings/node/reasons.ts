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

/** @param isTls the connection had TLS: what is no error of the system's is one of that. */
export function reasonOf(error: SystemError, isTls = false): CloseReason {
  return REASONS[error.code ?? ""] ?? (isTls ? "tls" : "failed");
}
