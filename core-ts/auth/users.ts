/**
 * Who may log in, and what is kept of a password: its HA1 (RFC 7616 section 3.4.2), never the password. Row 1.
 */
import { type HashAlgorithm, hashHex } from "./hash.ts";

/** `admin` may change things, `viewer` may watch. */
export type Role = "admin" | "viewer";

export type User = {
  readonly name: string;
  readonly role: Role;
  /** Lower-case hexadecimal `H(name:realm:password)`; worth as much as the password, so it is as secret. */
  readonly ha1: { readonly md5: string; readonly sha256?: string };
};

export const USER_NAME_MAX_CHARS = 64;
/** Passwords that are given over the network are at least this long; what the operator writes into the file is his affair. */
export const PASSWORD_MIN_CHARS = 8;
export const PASSWORD_MAX_CHARS = 128;

/**
 * What keeps a text from being a login name, as the end of a sentence, or undefined when nothing does. A colon ends the
 * name in Basic credentials (RFC 7617 section 2). Quotes and backslashes would need escapes in Digest, which ffmpeg and
 * live555 do not write, so that the same name would arrive in two spellings.
 */
export function userNameFault(name: string): string | undefined {
  if (name.length === 0) return "is empty";
  if (name.length > USER_NAME_MAX_CHARS) return `is longer than ${USER_NAME_MAX_CHARS} characters`;
  if (/[:"\\]/.test(name)) return "contains a colon, a double quote or a backslash";
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return "contains a control character";
  return undefined;
}

/** RFC 7616 section 3.4.2: `H(unq(username) ":" unq(realm) ":" passwd)`, all in UTF-8. */
export function ha1Of(name: string, realm: string, password: string, algorithm: HashAlgorithm): string {
  return hashHex(algorithm, `${name}:${realm}:${password}`);
}

/** A user with a password in clear turned into what is kept of it. */
export function userOf(o: {
  readonly name: string;
  readonly role: Role;
  readonly realm: string;
  readonly password: string;
}): User {
  return {
    name: o.name,
    role: o.role,
    ha1: { md5: ha1Of(o.name, o.realm, o.password, "MD5"), sha256: ha1Of(o.name, o.realm, o.password, "SHA-256") },
  };
}
