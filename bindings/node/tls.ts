/**
 * TLS of listeners and of connections out, over Node's own. Host side.
 *
 * Node's cryptography runs on the loop's thread: a handshake takes one to three milliseconds of it with an EC key.
 */
import { constants } from "node:crypto";
import * as net from "node:net";
import * as tls from "node:tls";
import { TLS_HANDSHAKE_MAX_US, TLS_HANDSHAKES_MAX, type TlsClientSpec } from "../contract/host.ts";
import type { Credentials } from "./tls-files.ts";

/** A connection that is encrypted from here on, and the socket underneath. */
export type Secured = { readonly socket: tls.TLSSocket; readonly raw: net.Socket };

/** The side of the server: handshakes under way, bounded in time and number. */
export class TlsHandshakes {
  readonly #server: tls.Server;
  readonly #onSecure: (secured: Secured) => void;
  /** Oldest first. */
  readonly #waiting = new Set<net.Socket>();

  /** @param log told in one line of a handshake that came to nothing. */
  constructor(credentials: Credentials, onSecure: (secured: Secured) => void, log: (line: string) => void) {
    this.#onSecure = onSecure;
    // It never listens: connections are handed to it, so that their number is known.
    this.#server = tls.createServer({
      cert: credentials.certificate,
      key: credentials.key,
      minVersion: "TLSv1.2",
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      handshakeTimeout: TLS_HANDSHAKE_MAX_US / 1000,
    });
    this.#server.on("secureConnection", (socket) => this.#done(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      const raw = underneath(socket);
      if (raw === undefined || !this.#waiting.has(raw)) return;
      log(`TLS handshake with ${raw.remoteAddress ?? "a peer that has gone"} failed: ${error.message}`);
      if (isTimeout(error)) this.#drop(raw);
    });
  }

  begin(raw: net.Socket): void {
    const oldest = this.#waiting.size < TLS_HANDSHAKES_MAX ? undefined : this.#waiting.values().next().value;
    if (oldest !== undefined) this.#drop(oldest);
    this.#waiting.add(raw);
    raw.once("close", () => this.#waiting.delete(raw));
    // A peer that says FIN in the middle will not finish; afterwards each side ends on its own.
    raw.allowHalfOpen = false;
    this.#server.emit("connection", raw);
  }

  close(): void {
    for (const raw of [...this.#waiting]) this.#drop(raw);
  }

  #done(socket: tls.TLSSocket): void {
    const raw = underneath(socket);
    if (raw === undefined || !this.#waiting.delete(raw)) {
      socket.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    this.#onSecure({ socket, raw });
  }

  #drop(raw: net.Socket): void {
    this.#waiting.delete(raw);
    raw.resetAndDestroy();
  }
}

/**
 * The side of the client: a socket that connects and then proves its peer.
 * @param trusted PEM of what is trusted; undefined for what Node trusts and the system does.
 */
export function securedOut(
  raw: net.Socket,
  host: string,
  { serverName }: TlsClientSpec,
  trusted: string | undefined,
): Secured {
  const name = serverName ?? host;
  const socket = tls.connect({
    socket: raw,
    host: name,
    // A numeric address is no server name (RFC 6066 section 3).
    ...(net.isIP(name) === 0 ? { servername: name } : {}),
    minVersion: "TLSv1.2",
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ca: trusted ?? systemTrust(),
  });
  return { socket, raw };
}

/** From Node 22.15 on the system's authorities count beside Node's own; before, and with that, NODE_EXTRA_CA_CERTS does. */
function systemTrust(): string[] | undefined {
  const { getCACertificates } = tls as { getCACertificates?: (type: "default" | "system") => string[] };
  return getCACertificates === undefined
    ? undefined
    : [...getCACertificates("default"), ...getCACertificates("system")];
}

/** The socket that a TLS socket was made of; Node has no public name for it. */
function underneath(socket: tls.TLSSocket): net.Socket | undefined {
  return (socket as { readonly _parent?: net.Socket })._parent;
}

function isTimeout(error: NodeJS.ErrnoException): boolean {
  return error.code === "ERR_TLS_HANDSHAKE_TIMEOUT";
}
