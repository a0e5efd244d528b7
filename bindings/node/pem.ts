/**
 * PEM (RFC 7468) of certificates and private keys; each fault names the file and the cure. Host side.
 */
import * as crypto from "node:crypto";
import { TlsFault } from "./tls-fault.ts";

/** @throws TlsFault */
export function certificatesOf(pem: string, name: string): crypto.X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (blocks === null) {
    throw new TlsFault(
      `"${name}" holds no certificate; it must have a block that begins with -----BEGIN CERTIFICATE-----`,
    );
  }
  return blocks.map((block, index) => {
    try {
      return new crypto.X509Certificate(block);
    } catch {
      throw new TlsFault(`certificate ${index + 1} of "${name}" is damaged; copy the file once more`);
    }
  });
}

/** @throws TlsFault */
export function keyOf(pem: string, name: string): crypto.KeyObject {
  if (/-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw new TlsFault(
      `key "${name}" is encrypted, and there is nobody to ask for its password; decrypt it: openssl pkey -in ${name} -out plain.pem`,
    );
  }
  if (!/-----BEGIN (?:RSA |EC )?PRIVATE KEY-----/.test(pem)) {
    throw new TlsFault(
      `"${name}" holds no private key; it must have a block that begins with -----BEGIN PRIVATE KEY-----`,
    );
  }
  try {
    return crypto.createPrivateKey(pem);
  } catch {
    throw new TlsFault(
      `key "${name}" is damaged, or of a kind that is not known here; copy it once more, or make an EC or RSA key`,
    );
  }
}
