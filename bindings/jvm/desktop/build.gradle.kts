plugins {
    alias(libs.plugins.kotlin.jvm)
    application
}

kotlin {
    jvmToolchain(17)
    explicitApi()
}

application {
    mainClass = "dev.porthole.desktop.MainKt"
    applicationDefaultJvmArgs = listOf("--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED")
}

// What every module's fuzz targets share.
sourceSets.test { kotlin.srcDir("../src/fuzz/kotlin") }

tasks.test {
    systemProperty("porthole.root", rootDir.path)
    jvmArgs("--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED")
}

dependencies {
    implementation(project(":bindings:jvm"))
    implementation(libs.quickjs.kt.jvm)
    implementation(libs.jna)
    testImplementation(libs.junit)
}
