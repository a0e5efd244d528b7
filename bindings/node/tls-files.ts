/**
 * The PEM files of the app's own folder: certificates, their keys, what is trusted; and the self-signed pair, which is made
 * when it is not there. Host side.
 */
import type * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { SELF_SIGNED_CERTIFICATE, SELF_SIGNED_KEY, TLS_FILE_MAX_BYTES, type TlsSpec } from "../contract/host.ts";
import { plainAddress } from "./addresses.ts";
import { writeAtomically } from "./config.ts";
import { certificatesOf, keyOf } from "./pem.ts";
import { makeSelfSigned, type PemPair } from "./self-signed.ts";
import { TlsFault } from "./tls-fault.ts";

/** Most names in a certificate that is made here. */
const NAMES_MAX = 64;

/** A certificate with its key, checked. */
export type Credentials = PemPair & {
  /** SHA-256 of the certificate, hexadecimal, lower case. */
  readonly fingerprint: string;
  /** What the operator should know, though it works; "" for nothing. */
  readonly warning: string;
};

export class TlsFiles {
  readonly #folder: string | undefined;
  #making: Promise<PemPair> | undefined;

  /** @param folder the app's own; undefined where there is none. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** @throws TlsFault */
  async credentials(spec: TlsSpec): Promise<Credentials> {
    if (!("selfSigned" in spec)) {
      const pair = { certificate: this.#read(spec.certificate, "certificate"), key: this.#read(spec.key, "key") };
      return checked(pair, spec.certificate, spec.key);
    }
    // Several listeners open at once, and there is one pair.
    this.#making ??= this.#selfSigned(spec.names ?? []);
    try {
      return checked(await this.#making, SELF_SIGNED_CERTIFICATE, SELF_SIGNED_KEY);
    } finally {
      if (this.#folder !== undefined) this.#making = undefined;
    }
  }

  /** Certificates to trust, as PEM. @throws TlsFault */
  trusted(name: string): string {
    const pem = this.#read(name, "file of trusted certificates");
    certificatesOf(pem, name);
    return pem;
  }

  async #selfSigned(names: readonly string[]): Promise<PemPair> {
    const folder = this.#folder;
    const all = [...names, "localhost", ...ownAddresses()];
    const unique = [...new Set(all)].slice(0, NAMES_MAX);
    if (folder === undefined) return makeSelfSigned(unique);
    const [certificateFile, keyFile] = [SELF_SIGNED_CERTIFICATE, SELF_SIGNED_KEY].map((name) =>
      path.join(folder, name),
    );
    if (fs.existsSync(certificateFile!)) {
      return {
        certificate: this.#read(SELF_SIGNED_CERTIFICATE, "certificate"),
        key: this.#read(SELF_SIGNED_KEY, "key"),
      };
    }
    const made = await makeSelfSigned(unique);
    try {
      fs.mkdirSync(folder, { recursive: true });
      // The key first: a certificate without its key would be a fault, a key without its certificate is made anew.
      writeAtomically(keyFile!, made.key);
      writeAtomically(certificateFile!, made.certificate);
    } catch (error) {
      throw new TlsFault(`the self-signed certificate can't be stored: ${(error as Error).message}`);
    }
    return made;
  }

  #read(name: string, what: string): string {
    if (this.#folder === undefined) {
      throw new TlsFault(`${what} "${name}": there is no folder for files; start with a configuration file`);
    }
    const file = path.join(this.#folder, name);
    try {
      const { size } = fs.statSync(file);
      if (size > TLS_FILE_MAX_BYTES) {
        throw new TlsFault(`${what} "${name}" is larger than ${TLS_FILE_MAX_BYTES} bytes; is it another file?`);
      }
      return fs.readFileSync(file, "latin1");
    } catch (error) {
      if (error instanceof TlsFault) throw error;
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        throw new TlsFault(`${what} "${name}" can't be read: ${(error as Error).message}`);
      }
      const cure = what === "key" && name === SELF_SIGNED_KEY ? cureOfPair : "put it there in PEM form";
      throw new TlsFault(`${what} "${name}" is not in the app's folder; ${cure}`);
    }
  }
}

const cureOfPair = `delete "${SELF_SIGNED_CERTIFICATE}" too, and both are made anew`;

/** @throws TlsFault */
function checked(pair: PemPair, certificateName: string, keyName: string): Credentials {
  const own = certificatesOf(pair.certificate, certificateName)[0]!;
  const key = keyOf(pair.key, keyName);
  if (!own.checkPrivateKey(key)) {
    throw new TlsFault(
      `key "${keyName}" is not that of certificate "${certificateName}"; give the key it was made with, and in that file ` +
        "the server's own certificate first",
    );
  }
  const fingerprint = own.fingerprint256.replaceAll(":", "").toLowerCase();
  return { ...pair, fingerprint, warning: warningOf(own, certificateName) };
}

/** It serves all the same: a camera that goes dark on a date helps nobody, and the clock may be wrong. */
function warningOf(own: crypto.X509Certificate, name: string): string {
  const now = Date.now();
  if (Date.parse(own.validTo) < now)
    return `certificate "${name}" has expired on ${own.validTo}: clients may refuse it`;
  if (Date.parse(own.validFrom) > now) return `certificate "${name}" is not valid before ${own.validFrom}`;
  return "";
}

function ownAddresses(): string[] {
  const all = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
  return all.filter(({ address }) => !/^fe80:/i.test(address)).map(({ address }) => plainAddress(address));
}
