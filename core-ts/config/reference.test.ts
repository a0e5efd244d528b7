import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parseConfig } from "./config.ts";
import { configurationPage, EXAMPLE } from "./reference.ts";

it("docs/configuration.md is what the schema says; renew it with node build-scripts/docs.mjs", () => {
  const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  expect(page).toBe(configurationPage());
});

it("the page's example is a configuration", () => {
  expect(parseConfig(EXAMPLE).profiles.map((profile) => profile.path)).toEqual([
    "/live/back",
    "/live/front",
    "/live/back/mjpeg",
    "/live/front/mjpeg",
    "/door/small",
    "/door/full",
  ]);
});

it("the page has a row for every key of a resolved configuration", () => {
  const page = configurationPage();
  const config = parseConfig(undefined);
  for (const section of ["rtsp", "http", "auth", "limits", "mjpeg", "log"] as const) {
    for (const key of Object.keys(config[section])) expect(page).toMatch(new RegExp(`^\\| \`${key}\` \\|`, "m"));
  }
});
