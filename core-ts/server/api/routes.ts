/**
 * Every HTTP route there is. Row 3.
 */
import { clientRoutes } from "./client-routes.ts";
import { commandRoutes } from "./command-routes.ts";
import { configRoutes } from "./config-routes.ts";
import { documentRoutes } from "./document-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import { ipWebcamRoutes } from "./ip-webcam-routes.ts";
import { metricsRoutes } from "./metrics-routes.ts";
import { pageRoutes } from "./page-routes.ts";
import type { Route } from "./route.ts";
import { snapshotRoutes } from "./snapshot-routes.ts";
import { statusRoutes } from "./status-routes.ts";
import { streamRoutes } from "./stream-routes.ts";
import { tokenRoutes } from "./token-routes.ts";
import { userRoutes } from "./user-routes.ts";

export const ROUTES: readonly Route[] = [
  ...pageRoutes,
  ...streamRoutes,
  ...ipWebcamRoutes,
  ...statusRoutes,
  ...metricsRoutes,
  ...snapshotRoutes,
  ...eventRoutes,
  ...clientRoutes,
  ...commandRoutes,
  ...userRoutes,
  ...tokenRoutes,
  ...configRoutes,
  ...documentRoutes,
];
