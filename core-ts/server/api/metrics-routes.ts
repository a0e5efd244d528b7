/**
 * What monitoring reads. Row 3.
 */
import { METRICS_CONTENT_TYPE } from "../metrics-text.ts";
import { type Route, route } from "./route.ts";

export const metricsRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/metrics",
    tag: "state",
    role: "viewer",
    changes: false,
    summary: "Counters and measured values for Prometheus",
    description: "Text format 0.0.4. Names and labels only grow.",
    answers: { 200: { description: "What is counted and measured", contentType: "text/plain" } },
    answer: ({ exchange, context }) =>
      exchange.reply(
        200,
        [
          ["Content-Type", METRICS_CONTENT_TYPE],
          ["Cache-Control", "no-store"],
        ],
        context.metrics(),
      ),
  }),
];
