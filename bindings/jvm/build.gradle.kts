plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(17)
    explicitApi()
}

sourceSets.main {
    // The bundle of the core, made by `node build-scripts/build.mjs`.
    resources.srcDir(layout.buildDirectory.dir("bundle"))
}

val copyBundle by tasks.registering(Copy::class) {
    from(rootDir.resolve("dist")) { include("core.js", "core.js.map") }
    into(layout.buildDirectory.dir("bundle/dev/porthole"))
}

tasks.processResources { dependsOn(copyBundle) }

// What every module's fuzz targets share.
sourceSets.test { kotlin.srcDir("src/fuzz/kotlin") }

tasks.test { systemProperty("porthole.root", rootDir.path) }

dependencies {
    implementation(libs.kotlin.stdlib)
    implementation(libs.coroutines.core)
    // A desktop program adds this jar, an Android app the aar with the same class names.
    compileOnly(libs.quickjs.kt.jvm)
    testImplementation(libs.quickjs.kt.jvm)
    testImplementation(libs.junit)
}
