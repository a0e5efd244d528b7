/**
 * The configurations that stand in the guides are taken as they are.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parseConfig } from "./config.ts";

it.each([
  ["home-assistant.md", 1],
  ["frigate.md", 1],
])("docs/%s has %i configuration, and it is one", (name, count) => {
  const page = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
  const configs = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
  expect(configs).toHaveLength(count);
  for (const text of configs) expect(parseConfig(text).profiles.length).toBeGreaterThanOrEqual(4);
});
