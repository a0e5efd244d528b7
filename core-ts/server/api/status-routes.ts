/**
 * The server's state. Row 3.
 */

import { type Route, route } from "./route.ts";
import { STATUS } from "./status-schema.ts";

export const statusRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/status",
    tag: "state",
    role: "viewer",
    changes: false,
    summary: "Server, cameras, encoders, profiles and clients",
    answers: { 200: { description: "The state now", schema: STATUS } },
    answer: ({ exchange, context }) => exchange.replyJson(200, context.status()),
  }),
];
