/**
 * The rows of the core (docs/architecture.md): a file imports from its own folder or from a lower row only.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cyclesOf, filesBelow, type Import, importsOf, ROOT, sourceOf } from "./sources.ts";

/** Folder or file of core-ts → row. A new folder gets its row here first. */
const ROWS: Readonly<Record<string, number>> = {
  bytes: 0,
  time: 0,
  "errors.ts": 0,
  auth: 1,
  media: 1,
  sdp: 1,
  rtp: 1,
  rtcp: 1,
  rtsp: 1,
  http: 1,
  dns: 1,
  config: 1,
  stream: 2,
  bitrate: 2,
  server: 3,
  "main.ts": 4,
};

/** Lowest row that may name the contract. */
const CONTRACT_FROM_ROW = 3;
/** Highest row that a host may borrow from: what knows neither the server nor a session. */
const HOSTS_BORROW_TO_ROW = 1;

/** The packages that are bundled, each with the one folder that may use it. */
const PACKAGES: Readonly<Record<string, string>> = { "@noble/hashes": "auth", valibot: "config" };

/** The one file that page and core share: names alone, so that neither can forget one that the other has. */
const SHARED_WITH_PAGE = "core-ts/config/event-types.ts";

const sources = filesBelow("core-ts", ".ts").filter(
  (path) => !path.endsWith(".test.ts") && !path.endsWith("/testing.ts"),
);
const imports = sources.flatMap((path) => importsOf(path));
const hostSources = filesBelow("bindings", ".ts").filter((path) => !path.endsWith(".test.ts"));
const hostImports = hostSources.flatMap((path) => importsOf(path));

const partOf = (path: string): string => path.split("/")[1]!;
const rowOf = (path: string): number | undefined => ROWS[partOf(path)];
const line = ({ from, specifier }: Import): string => `${from} imports ${specifier}`;

describe("core-ts", () => {
  test("has only folders whose row is written down", () => {
    expect(sources.length).toBeGreaterThan(10);
    expect(sources.filter((path) => rowOf(path) === undefined)).toEqual([]);
  });

  test("imports from a file's own folder or a lower row only", () => {
    const wrong = imports.filter(({ from, file }) => {
      if (file === undefined || !file.startsWith("core-ts/") || partOf(from) === partOf(file)) return false;
      // The faults may be thrown anywhere, row 0 included.
      if (file === "core-ts/errors.ts") return false;
      return !(rowOf(file)! < rowOf(from)!);
    });
    expect(wrong.map(line)).toEqual([]);
  });

  test("names the contract from the server's row up, and nothing else outside itself", () => {
    const wrong = imports.filter(({ from, file }) => {
      if (file === undefined || file.startsWith("core-ts/")) return false;
      return !file.startsWith("bindings/contract/") || rowOf(from)! < CONTRACT_FROM_ROW;
    });
    expect(wrong.map(line)).toEqual([]);
  });

  test("uses a bundled package in its one folder only, and nothing of Node's", () => {
    const wrong = imports.filter(({ from, file, specifier }) => {
      if (file !== undefined) return false;
      const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
      return PACKAGES[name] !== partOf(from);
    });
    expect(wrong.map(line)).toEqual([]);
  });

  test("says its row in each file's first comment", () => {
    const wrong = sources.filter((path) => {
      const comment = /^\/\*\*[\s\S]*?\*\//.exec(sourceOf(path))?.[0] ?? "";
      return !new RegExp(`\\bRow ${rowOf(path)}\\b`).test(comment);
    });
    expect(wrong).toEqual([]);
  });
});

describe("core-ts and bindings", () => {
  test("import files that exist, by their whole name", () => {
    const all = [...imports, ...hostImports].filter(({ file }) => file !== undefined);
    expect(all.length).toBeGreaterThan(10);
    expect(all.filter(({ file }) => !existsSync(join(ROOT, file!))).map(line)).toEqual([]);
  });

  test("have no import cycle, types included", () => {
    expect(cyclesOf([...imports, ...hostImports])).toEqual([]);
  });

  test("have no barrel file: nothing is re-exported, and no file is called index", () => {
    const barrels = [...imports, ...hostImports].filter(({ reExport }) => reExport).map(line);
    const indexes = [...sources, ...hostSources].filter((path) => /\/index\.[a-z]+$/.test(path));
    expect([...barrels, ...indexes]).toEqual([]);
  });
});

describe("bindings", () => {
  test("keep the contract free of imports", () => {
    const wrong = hostImports.filter(
      ({ from, file }) => from.startsWith("bindings/contract/") && !file?.startsWith("bindings/contract/"),
    );
    expect(wrong.map(line)).toEqual([]);
  });

  test("borrow from the core only what knows no server and no session", () => {
    const wrong = hostImports.filter(({ file }) => {
      if (file === undefined || !file.startsWith("core-ts/")) return false;
      const row = rowOf(file);
      return row === undefined || row > HOSTS_BORROW_TO_ROW;
    });
    expect(wrong.map(line)).toEqual([]);
  });
});

describe("page", () => {
  test("imports preact and its own folder only: it is a client like any other, but knows the kinds of events by name", () => {
    const sources = [...filesBelow("page", ".ts"), ...filesBelow("page", ".tsx")].filter(
      (path) => !path.endsWith(".test.ts"),
    );
    const pageImports = sources.flatMap((path) => importsOf(path));
    expect(pageImports.length).toBeGreaterThan(10);
    const wrong = pageImports.filter(({ file, specifier }) =>
      file === undefined
        ? !/^preact(?:\/hooks)?$/.test(specifier)
        : !file.startsWith("page/") && file !== SHARED_WITH_PAGE,
    );
    expect(wrong.map(line)).toEqual([]);
    expect(importsOf(SHARED_WITH_PAGE)).toEqual([]);
    expect(cyclesOf(pageImports.filter(({ typeOnly }) => !typeOnly))).toEqual([]);
  });
});

describe("the import reader", () => {
  test("sees every way to write an import", () => {
    const source = [
      'import type { A } from "./a.ts";',
      'import {\n  B,\n  type C,\n} from "../b/c.ts";',
      'import "./effect.ts";',
      'export { D } from "./d.ts";',
      'export * from "./e.ts";',
      'type F = import("./f.ts").F;',
      'export const text = "no import";',
    ].join("\n");
    expect(
      importsOf("core-ts/x/y.ts", source).map(({ file, typeOnly, reExport }) => [file, typeOnly, reExport]),
    ).toEqual([
      ["core-ts/x/a.ts", true, false],
      ["core-ts/b/c.ts", false, false],
      ["core-ts/x/effect.ts", false, false],
      ["core-ts/x/d.ts", false, true],
      ["core-ts/x/e.ts", false, true],
      ["core-ts/x/f.ts", false, false],
    ]);
  });

  test("finds a cycle of three", () => {
    const edges = ["a b", "b c", "c a", "d a"].map((edge): Import => {
      const [from, file] = edge.split(" ");
      return { from: from!, file, specifier: file!, typeOnly: false, reExport: false };
    });
    expect(cyclesOf(edges)).toEqual(["a → b → c → a"]);
    expect(cyclesOf(edges.slice(1))).toEqual([]);
  });
});
