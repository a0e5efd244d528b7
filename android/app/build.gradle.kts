plugins {
    alias(libs.plugins.android.application)
}

// The numbers are those of pom.xml, by which the APK is made and the tests are run.
android {
    namespace = "dev.porthole"
    compileSdk = 36

    defaultConfig {
        applicationId = "dev.porthole"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = rootProject.version.toString()
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // The bundle of the core, made by `node build-scripts/build.mjs`.
    sourceSets.getByName("main") {
        assets.srcDir(layout.buildDirectory.dir("bundle"))
    }

    packaging {
        // The host's library brings the bundle along for the desktop; the app has it among its assets.
        resources.excludes += "dev/porthole/core.js*"
    }
}

val copyBundle by tasks.registering(Copy::class) {
    from(rootDir.resolve("dist")) { include("core.js") }
    into(layout.buildDirectory.dir("bundle"))
}

tasks.named("preBuild") { dependsOn(copyBundle) }

dependencies {
    implementation(project(":bindings:jvm"))
    implementation(libs.kotlin.stdlib)
    implementation(libs.coroutines.core)
    implementation(libs.quickjs.kt.android)
    compileOnly(libs.androidx.annotation)
}
