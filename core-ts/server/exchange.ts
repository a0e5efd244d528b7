/**
 * One request with its one answer, over RTSP or HTTP: given now or later, and undone when the connection goes away. Row 3.
 */
import type { Endpoint } from "../../bindings/contract/events.ts";
import { ProtocolFault } from "../errors.ts";
import type { ServerContext } from "./context.ts";
import type { LogLevel } from "./runtime.ts";

/** The connection of an exchange, as those see it who answer. */
export interface ExchangeCarrier {
  readonly context: ServerContext;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  /** Whom limits count the peer as: {@link peerGroup}. */
  readonly peerGroup: string;
  readonly protocol: "rtsp" | "http";
  log(level: LogLevel, text: string): void;
  /** The connection has proved who it is; the limit on unauthenticated time no longer holds. */
  noteLogin(): void;
  /** A bug of ours has left an answer half done: ends the connection. */
  onBug(): void;
}

export abstract class Exchange {
  abstract readonly connection: ExchangeCarrier;
  /** Who has logged in with this request; undefined without logins and where none is needed. */
  user: string | undefined;
  #cancel: (() => void) | undefined;
  #answered = false;

  get answered(): boolean {
    return this.#answered;
  }

  /** What to undo when the connection goes away before the answer. */
  onAbandoned(cancel: () => void): void {
    this.#cancel = cancel;
  }

  /** The connection is gone: undoes what was begun for the answer. */
  abandon(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#cancel?.();
  }

  /** Runs a step of the answer; what it throws as the peer's fault becomes the answer. */
  attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolFault)) {
        this.connection.onBug();
        throw error;
      }
      this.replyFault(error);
    }
  }

  /** Answers with a fault of the peer's. */
  abstract replyFault(fault: ProtocolFault): void;

  /** Begins the answer. @returns false when the connection is gone or an answer was given. */
  protected take(): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.#cancel = undefined;
    return true;
  }
}
