import { defineConfig } from "vitest/config";

// One project a ring (test/README.md). `npx vitest run --project core core-ts/auth` runs part of one.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "architecture",
          include: ["test/architecture/**/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "core",
          include: [
            "core-ts/**/*.test.ts",
            "bindings/**/*.test.ts",
            "build-scripts/**/*.test.ts",
            "test/fakes/**/*.test.ts",
            "test/links/**/*.test.ts",
            "test/fuzz/**/*.test.ts",
            "page/**/*.test.ts",
          ],
          // Property tests draw hundreds of cases: a busy machine must not turn that into a failure.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "conformance",
          include: ["test/conformance/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "api",
          include: ["test/api/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          // They count lost packets and wait for real programs: one file at a time, on an otherwise idle machine.
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "networks",
          include: ["test/networks/**/*.test.ts"],
          // They measure time: one file at a time, on an otherwise idle machine.
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "page",
          include: ["test/page/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "android",
          include: ["test/android/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "soak",
          include: ["test/soak/**/*.test.ts"],
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
