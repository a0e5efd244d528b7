/**
 * Makes a self-signed certificate and its key (RFC 5280). Host side.
 */
import * as crypto from "node:crypto";
import * as net from "node:net";
// The library finds its parts by it, and wants it first.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** Fixed, because the clock of a machine that has just booted may be anywhere; what clients trust is this very certificate. */
const NOT_BEFORE = new Date("2020-01-01T00:00:00Z");
const NOT_AFTER = new Date("2049-12-31T23:59:59Z");
const SERIAL_BYTES = 16;
/** RFC 5280 appendix A.1, ub-common-name. */
const COMMON_NAME_MAX_CHARS = 64;

export type PemPair = { readonly certificate: string; readonly key: string };

/** @param names host names and numeric addresses, each once; the first is the subject's common name. */
export async function makeSelfSigned(names: readonly string[]): Promise<PemPair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serial = crypto.randomBytes(SERIAL_BYTES);
  // Positive, and no zero byte first (RFC 5280 section 4.1.2.2).
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial.toString("hex"),
      name: [{ CN: [names[0]!.slice(0, COMMON_NAME_MAX_CHARS)] }],
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
      keys: keys,
      signingAlgorithm: algorithm,
      extensions: [
        // No authority: a machine that trusts it trusts this server and nobody else.
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: net.isIP(name) === 0 ? "dns" : "ip", value: name })),
        ),
      ],
    },
    crypto.webcrypto,
  );
  const pkcs8 = Buffer.from(await crypto.webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const key = crypto.createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return {
    certificate: `${certificate.toString("pem")}\n`,
    key: key.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}
