/**
 * An esbuild plugin that counts which branches of the core and the Node host run: each gets a counter in a global array. For
 * the fuzzer only; V8's own coverage says the same, but switches the optimiser off and takes milliseconds a look.
 */
import { readFileSync } from "node:fs";
import { parse } from "acorn";
import * as esbuild from "esbuild";

/** Counters; more branches than that share them. */
export const COUNTERS = 1 << 16;
export const GLOBAL = "__branches";

/** Where branches begin: bodies of functions and loops, both ways of a choice, the right sides of `&&`, `||` and `??`. */
const BRANCHES = {
  IfStatement: ["consequent", "alternate"],
  ConditionalExpression: ["consequent", "alternate"],
  LogicalExpression: ["right"],
  SwitchCase: ["consequent"],
  FunctionDeclaration: ["body"],
  FunctionExpression: ["body"],
  ArrowFunctionExpression: ["body"],
  ForStatement: ["body"],
  ForOfStatement: ["body"],
  WhileStatement: ["body"],
  CatchClause: ["body"],
};

/** @returns {import("esbuild").Plugin} */
export function instrumented() {
  let counters = 0;
  return {
    name: "instrumented",
    setup(build) {
      build.onLoad({ filter: /[\\/](?:core-ts|bindings[\\/]node)[\\/].*\.ts$/ }, async ({ path }) => {
        const { code } = await esbuild.transform(readFileSync(path, "utf8"), { loader: "ts", target: "es2023" });
        return { contents: withCounters(code, () => counters++ % COUNTERS), loader: "js" };
      });
    },
  };
}

/**
 * @param {string} code
 * @param {() => number} next
 */
export function withCounters(code, next) {
  /** @type {{ at: number, text: string }[]} */
  const inserts = [];
  const count = () => `${GLOBAL}[${next()}]++`;
  /** @param {any} node */
  const mark = (node) => {
    if (node.type === "BlockStatement") inserts.push({ at: node.start + 1, text: `${count()};` });
    else if (node.type.endsWith("Statement")) {
      inserts.push({ at: node.start, text: `{${count()};` }, { at: node.end, text: "}" });
    } else inserts.push({ at: node.start, text: `(${count()},` }, { at: node.end, text: ")" });
  };
  /** @param {any} node */
  const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    if (Array.isArray(node)) {
      for (const each of node) visit(each);
      return;
    }
    for (const key of BRANCHES[/** @type {keyof typeof BRANCHES} */ (node.type)] ?? []) {
      const branch = node[key];
      if (Array.isArray(branch)) {
        if (branch.length > 0) inserts.push({ at: branch[0].start, text: `${count()};` });
      } else if (branch) mark(branch);
    }
    for (const key of Object.keys(node)) if (key !== "type") visit(node[key]);
  };
  visit(parse(code, { ecmaVersion: "latest", sourceType: "module" }).body);
  // Closing ones of inner nodes come before opening ones at the same place.
  const order = inserts.map((each, index) => ({ ...each, index, closes: each.text === "}" || each.text === ")" }));
  order.sort((a, b) => a.at - b.at || Number(b.closes) - Number(a.closes) || a.index - b.index);
  let out = "";
  let from = 0;
  for (const { at, text } of order) {
    out += code.slice(from, at) + text;
    from = at;
  }
  return out + code.slice(from);
}
