/** The targets by name, for the programs of `npm run fuzz`. */
import { pathToFileURL } from "node:url";
import { readDialogs } from "./dialog.ts";
import { type Target, targetsOf } from "./targets.ts";

/** Only an input that is grown step by step gets here. */
function isPlanted(bytes: string): boolean {
  return bytes[0] === "G" && bytes[1] === "E" && bytes[2] === "T" && bytes[3] === "!";
}

/** Faults that are there on purpose, to see that they are found. Run only when they are named. */
const PLANTED: readonly Target[] = [
  {
    name: "planted-escape",
    seeds: ["GET"],
    weight: 1_000,
    run: (bytes) => {
      if (isPlanted(bytes)) throw new Error("planted");
    },
  },
  {
    name: "planted-hang",
    seeds: ["GET"],
    weight: 1_000,
    run: (bytes) => {
      while (isPlanted(bytes));
    },
  },
];

/** @param root the checkout. */
function targets(root: string): readonly Target[] {
  return targetsOf(readDialogs(pathToFileURL(`${root}/test/fuzz/dialogs/`)));
}

export function targetNames(root: string): readonly string[] {
  return targets(root).map(({ name }) => name);
}

export function targetNamed(root: string, name: string): Target {
  const target = [...targets(root), ...PLANTED].find((each) => each.name === name);
  if (target === undefined) throw new Error(`no target "${name}"; there are ${targetNames(root).join(", ")}`);
  return target;
}
