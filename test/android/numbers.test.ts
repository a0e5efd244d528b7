/** The numbers of the app stand in several files, because Maven, Gradle and Android each read their own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { appNumbers } from "../../build-scripts/android/package.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const gradle = read("android/app/build.gradle.kts");
const catalogue = read("gradle/libs.versions.toml");
const gradleNumber = (name: string): number => Number(new RegExp(`^\\s*${name} = (\\d+)$`, "m").exec(gradle)?.[1]);

test("pom and Gradle agree on minSdk, targetSdk and versionCode", () => {
  const { minSdk, targetSdk, versionCode } = appNumbers();
  expect(gradleNumber("minSdk")).toBe(minSdk);
  expect(gradleNumber("targetSdk")).toBe(targetSdk);
  expect(gradleNumber("versionCode")).toBe(versionCode);
});

test("Gradle compiles against the Android that Maven compiles against, which is the one that the app targets", () => {
  const compileSdk = Number(/^android-all = "(\d+)-/m.exec(catalogue)?.[1]);
  // Android 16 is API 36; the number of the version and of the interface differ by 20.
  expect(compileSdk + 20).toBe(gradleNumber("compileSdk"));
  expect(gradleNumber("compileSdk")).toBe(gradleNumber("targetSdk"));
});

test("the manifest leaves the numbers to both builds", () => {
  expect(read("android/app/src/main/AndroidManifest.xml")).not.toMatch(
    /uses-sdk|android:versionCode|android:versionName/,
  );
});

test("Gradle shrinks by the same rules, under the same name, with the same version", () => {
  const manifest = read("android/app/src/main/AndroidManifest.xml");
  expect(gradle).toContain('"proguard-rules.pro"');
  const name = /package="([\w.]+)"/.exec(manifest)?.[1];
  expect(gradle).toContain(`namespace = "${name}"`);
  expect(gradle).toContain(`applicationId = "${name}"`);
  expect(gradle).toContain("versionName = rootProject.version.toString()");
  expect(read("build.gradle.kts")).toContain(`version = "${appNumbers().versionName}"`);
});

test("Robolectric's SDK levels begin with minSdk", () => {
  const sdks = /<robolectric\.sdks>([\d,]+)</.exec(read("android/app/pom.xml"))?.[1]?.split(",").map(Number) ?? [];
  expect(Math.min(...sdks)).toBe(appNumbers().minSdk);
});
