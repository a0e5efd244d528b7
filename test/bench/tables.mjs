/** The bench's figures as Markdown tables. */

/** What all else is compared with: the server that makes the fewest system calls in the ordinary way. */
const BARE = { tcp: "bare", udp: "bare sendto" };

/** @returns one table: a server a line, and per number of readers its cost, the ratio to bare, and the spread. */
export function table(results, transport, readers) {
  const cost = `us a reader-frame at ${readers.join(", ")} readers`;
  const most = Math.max(...readers);
  const head = [transport.toUpperCase(), cost, `x bare at ${most}`, `spread p50, p99 at ${most} (ms)`, "lost"];
  const names = [...new Set(results.filter((result) => result.transport === transport).map(({ server }) => server))];
  const rows = names.map((name) => {
    const of = (count) => results.filter((r) => r.server === name && r.transport === transport && r.readers === count);
    const bare = results.filter((r) => r.server === BARE[transport] && r.transport === transport && r.readers === most);
    // Within a round the two were measured moments apart.
    const ratios = of(most).map((r) => r.cpuUsPerFrame / bare.find(({ round }) => round === r.round)?.cpuUsPerFrame);
    const all = readers.flatMap(of);
    return [
      name,
      readers.map((count) => text(median(of(count).map((r) => r.cpuUsPerFrame)), 1)).join(" · "),
      text(median(ratios), 2),
      `${text(median(of(most).map((r) => r.spreadMsP50)), 1)} · ${text(median(of(most).map((r) => r.spreadMsP99)), 1)}`,
      `${all.reduce((sum, r) => sum + (r.lost ?? 0), 0)}`,
    ];
  });
  return markdown(head, rows);
}

export function joinsTable(joins) {
  const rows = joins.map(({ server, transport, firstKeyMs }) => [
    server,
    transport,
    firstKeyMs === undefined ? "–" : `${firstKeyMs.median} (${firstKeyMs.min} … ${firstKeyMs.max})`,
  ]);
  return markdown(["first whole key frame after connecting", "over", "ms, median (least … most)"], rows);
}

export function machineText({ cpu, cores, kernel, java, node, date }) {
  return `${date}, ${cores} cores (${cpu}), Linux ${kernel}, ${java}, Node ${node}`;
}

/** Of the numbers among `values`; undefined when there is none. */
export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value) && value >= 0).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function text(value, digits) {
  return value === undefined ? "–" : value.toFixed(digits);
}

function markdown(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
