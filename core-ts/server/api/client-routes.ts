/**
 * Ending a client. Row 3.
 */
import { ApiFault } from "./api-fault.ts";
import { type Route, route } from "./route.ts";
import { integer } from "./schema.ts";

export const clientRoutes: readonly Route[] = [
  route({
    method: "DELETE",
    path: "/api/clients/{id}",
    tag: "state",
    role: "admin",
    changes: true,
    summary: "Ends a client's session or stream",
    params: { id: integer({ minimum: 1, description: "Its `id` in the status and in events." }) },
    answers: { 204: { description: "It has ended" } },
    errors: { 404: "there is no such client (any more)" },
    answer: ({ exchange, context, params }) => {
      const viewer = context.viewers.byId(params.id);
      if (viewer === undefined)
        throw new ApiFault("no-such-client", 404, "there is no such client", { path: "path.id" });
      viewer.endByServer("ended by command");
      exchange.reply(204);
    },
  }),
];
