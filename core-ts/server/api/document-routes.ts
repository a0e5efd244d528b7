/**
 * The description of this interface, for tools. Row 3.
 */
import { openApiDocument } from "./openapi.ts";
import { type Route, route } from "./route.ts";

export const documentRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/openapi.json",
    tag: "documents",
    role: "viewer",
    changes: false,
    summary: "This interface as an OpenAPI 3.1 document",
    answers: { 200: { description: "The document", schema: { type: "object" } } },
    answer: ({ exchange, context, routes }) => {
      const version = context.serverName.replace(/^.*\//, "");
      exchange.replyJson(200, JSON.stringify(openApiDocument(routes, version)));
    },
  }),
];
