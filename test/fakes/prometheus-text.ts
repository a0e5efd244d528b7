/**
 * A strict reader of Prometheus' text format 0.0.4: what the format leaves to taste is refused too. Beyond what `promtool
 * check metrics` looks at it wants no series twice, families that stand together, and histograms that add up.
 */

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};
export type Family = { readonly type: string; readonly help: string; readonly samples: readonly Sample[] };

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)$`);

/** @throws Error that names the line. */
export function parsePrometheusText(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const series = new Set<string>();
  let current = "";
  let help: { readonly name: string; readonly text: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind = "", name = "", rest = ""] = comment;
      if (kind === "HELP") {
        if (families.has(name)) fail("a family is begun twice");
        help = { name, text: rest };
        continue;
      }
      if (help?.name !== name) fail("TYPE without HELP before it");
      if (!["counter", "gauge", "histogram"].includes(rest)) fail("an unknown type");
      if ((rest === "counter") !== name.endsWith("_total")) fail("counters, and only they, end in _total");
      families.set(name, { type: rest, help: help!.text, samples: [] });
      current = name;
      help = undefined;
      continue;
    }
    const [, name = "", labelText = "", valueText = ""] = SAMPLE.exec(line) ?? fail("no sample");
    const family = families.get(current) ?? fail("a sample before any TYPE");
    const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    if (!suffixes.some((suffix) => name === `${current}${suffix}`)) fail(`a sample of another family than ${current}`);
    const labels = labelsOf(labelText);
    const identity = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (series.has(identity)) fail("a series is there twice");
    series.add(identity);
    const value = valueText.endsWith("Inf") ? Number(`${valueText}inity`) : Number(valueText);
    if (family.type === "counter" && !(value >= 0)) fail("a counter below zero");
    family.samples.push({ name, labels, value });
  }
  for (const [name, family] of families) if (family.type === "histogram") checkHistogram(name, family);
  return families;
}

/** The value of one series. @throws Error when there is none. */
export function valueIn(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const samples = [...parsePrometheusText(text).values()].flatMap((family) => family.samples);
  const found = samples.filter(
    (one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} series ${name} ${JSON.stringify(labels)}`);
  return found[0]!.value;
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/g)) {
    if (name in labels) throw new Error(`a label is there twice: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
  }
  return labels;
}

function checkHistogram(name: string, { samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = "" } }) => (le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le)));
    const counts = buckets.map(({ value }) => value);
    const isRising = (list: readonly number[]) => list.every((each, i) => i === 0 || each >= list[i - 1]!);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || !isRising(bounds)) throw new Error(`${name} ${labels}: bounds`);
    if (!isRising(counts)) throw new Error(`${name} ${labels}: buckets are not cumulative`);
    const count = group.filter((sample) => sample.name === `${name}_count`);
    const sum = group.filter((sample) => sample.name === `${name}_sum`);
    if (count.length !== 1 || sum.length !== 1) throw new Error(`${name} ${labels}: needs one _count and one _sum`);
    if (count[0]!.value !== counts.at(-1)) throw new Error(`${name} ${labels}: _count is not the last bucket`);
  }
}
