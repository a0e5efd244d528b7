/**
 * The page for people. Row 3.
 */
import { PAGE_POLICY, renderPage } from "../page.ts";
import { type Route, route } from "./route.ts";

export const pageRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/",
    tag: "documents",
    role: "viewer",
    changes: false,
    summary: "A page with the cameras, for people",
    answers: { 200: { description: "The page", contentType: "text/html" } },
    answer: ({ exchange }) =>
      exchange.reply(
        200,
        [
          ["Content-Type", "text/html; charset=utf-8"],
          ["Content-Security-Policy", PAGE_POLICY],
          ["Referrer-Policy", "no-referrer"],
          ["Cache-Control", "no-store"],
        ],
        renderPage({ name: exchange.user, role: exchange.role }),
      ),
  }),
];
