pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositories {
        // Where bindings/kotlin/build.sh publishes the package; an app outside of this repository names its own.
        maven(url = uri("../bindings/kotlin/target/maven"))
        google()
        mavenCentral()
    }
}

rootProject.name = "loam-sample"
include(":app")
