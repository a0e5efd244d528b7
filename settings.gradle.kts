// For Android Studio. The build that is run and tested is Maven's (bindings/jvm/README.md).
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "porthole"
include(":bindings:jvm", ":bindings:jvm:desktop", ":android:app")
