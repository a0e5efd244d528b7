/**
 * The newest of the pictures that are taken by themselves. Row 3.
 */
import { ApiFault } from "./api-fault.ts";
import { type Route, route } from "./route.ts";
import { text } from "./schema.ts";

export const snapshotRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/snapshots/latest",
    tag: "streams",
    role: "viewer",
    changes: false,
    summary: "The newest periodic snapshot",
    description: "Which there are is said by `snapshots` in the configuration. It takes no new picture.",
    query: {
      camera: text({
        maxLength: 32,
        description: "A camera's name; without it the newest of all.",
        examples: ["back"],
      }),
    },
    answers: {
      200: {
        description: "A JPEG file",
        contentType: "image/jpeg",
        headers: {
          "X-Timestamp-Us": "Capture time in microseconds of the device's monotonic clock",
          "X-Width": "Width in pixels",
          "X-Height": "Height in pixels",
          "X-Camera": "The camera's name",
        },
      },
    },
    errors: { 404: "no snapshot was taken yet, or none is configured" },
    answer: ({ exchange, context, query }) => {
      const latest = context.periodicSnapshots.latest(query.camera);
      if (latest === undefined) {
        const message = "there is no periodic snapshot (yet); they are configured under `snapshots`";
        throw new ApiFault("no-snapshot", 404, message, { path: "query.camera" });
      }
      exchange.replyPicture(latest.picture.hold(), [["X-Camera", latest.camera]]);
    },
  }),
];
