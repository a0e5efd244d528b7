plugins {
    alias(libs.plugins.kotlin.jvm) apply false
    alias(libs.plugins.android.application) apply false
}

allprojects {
    group = "dev.porthole"
    version = "0.1.0"
}
