/**
 * Positions in the core's bundle as positions in its sources, for stacks and log lines. Host side.
 */
import { SourceMap } from "node:module";

/**
 * A function that rewrites every `FILE:LINE:COLUMN` of the bundle in a text by its source map. Without a usable map the
 * text stays as it is.
 * @param filename what the bundle's script was called when it was compiled.
 */
export function positionMapper(filename: string, mapText: string | undefined): (text: string) => string {
  if (mapText === undefined) return (text) => text;
  let map: SourceMap;
  try {
    map = new SourceMap(JSON.parse(mapText));
  } catch {
    return (text) => text;
  }
  const pattern = new RegExp(`${filename.replace(/[.*+?^$(){}|[\]\\]/g, "\\$&")}:(\\d+):(\\d+)`, "g");
  return (text) =>
    text.replace(pattern, (whole, line: string, column: string) => {
      const entry = map.findEntry(Number(line) - 1, Number(column) - 1);
      if (!("originalSource" in entry)) return whole;
      return `${entry.originalSource.replace(/^(\.\.\/)+/, "")}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    });
}
