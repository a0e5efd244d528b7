/**
 * Dialogs that real clients held with this server, as files: what the client sent on one connection, piece by piece.
 *
 *     # ffmpeg 7.1.1, RTSP over TCP        ← comments
 *     > DESCRIBE rtsp://… RTSP/1.0\r       ← a piece begins with ">"; a line of the file is a line of the wire
 *     CSeq: 1\r
 *     \r
 *     > $\x01\x00\x20…                     ← bytes that aren't printable ASCII are escaped, "\" is "\\"
 *
 * The id of the session stands as `{session}`, its port as 7778 or 8089. `record.mjs` makes these files.
 */
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("./dialogs/", import.meta.url);

export type Dialog = {
  readonly name: string;
  readonly protocol: "rtsp" | "http";
  /** One char a byte. */
  readonly pieces: readonly string[];
};

/** @param folder where the files are, for a bundle that lies elsewhere. */
export function readDialogs(folder: URL = FOLDER): readonly Dialog[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => {
      const text = readFileSync(new URL(name, folder), "utf8").replace(/^(?:#.*\n)*/, "");
      const pieces = text.split(/^> /m).slice(1).map(unescaped);
      const protocol = pieces.join("").includes("RTSP/1.0") ? "rtsp" : "http";
      return { name: name.slice(0, -4), protocol, pieces };
    });
}

/** The text of a file as bytes: an escaped line end is followed by one of the file, which is left out. */
export function unescaped(text: string): string {
  return text.replace(/\n/g, "").replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, code: string | undefined, letter: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return { r: "\r", n: "\n", "\\": "\\" }[letter] ?? letter;
  });
}

/** Bytes as the text of a file. A line of the file ends where one of the wire does; a `>` or `#` that could be taken for another thing is escaped. */
export function escaped(bytes: string): string {
  return bytes
    .replace(/[^\x20-\x5b\x5d-\x7e\r\n]/g, (char) =>
      char === "\\" ? "\\\\" : `\\x${(char.charCodeAt(0) & 0xff).toString(16).padStart(2, "0")}`,
    )
    .replace(/\r/g, "\\r")
    .replace(/\n/g, "\\n\n")
    .replace(/^>/gm, "\\x3e")
    .replace(/^#/gm, "\\x23");
}
