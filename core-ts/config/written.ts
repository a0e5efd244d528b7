/**
 * The operator's file as a value: with the secrets that its masks stand for, and without any password in clear. Row 1.
 *
 * Hosts that take a file over, instead of leaving it to the operator, keep the sealed form and give back the masked one.
 */
import { ConfigFault, type ConfigIssue } from "../errors.ts";
import { readText } from "./config.ts";
import { unmaskSecrets } from "./secrets.ts";
import { isRecord } from "./shape.ts";

/** What is kept of a password; hexadecimal. */
export type Ha1 = { readonly md5: string; readonly sha256?: string };

/**
 * The value that a file's text stands for.
 * @param kept the value of the file in force, sealed or not; secrets of it stand where the text has masks.
 * @throws ConfigFault when the text is no JSON, or when a mask stands for nothing.
 */
export function writtenOf(text: string, kept: unknown): unknown {
  const issues: ConfigIssue[] = [];
  const written = unmaskSecrets(readText(text), kept, issues);
  if (issues.length > 0) throw new ConfigFault(issues);
  return written;
}

/**
 * The same with the HA1 in place of every user's password.
 * @param written a value that has been found sound.
 */
export function sealPasswords(written: unknown, ha1Of: (name: string, password: string) => Ha1): unknown {
  if (!isRecord(written) || !Array.isArray(written.users)) return written;
  const users = written.users.map((user: unknown) => {
    if (!isRecord(user) || typeof user.name !== "string" || typeof user.password !== "string") return user;
    const { password, ...rest } = user;
    return { ...rest, ha1: ha1Of(user.name, password) };
  });
  return { ...written, users };
}
