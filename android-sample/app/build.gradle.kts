import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "dev.loam.sample.app"
    compileSdk = 35

    defaultConfig {
        applicationId = "dev.loam.sample"
        minSdk = 24
        targetSdk = 35
        versionCode = 1
        versionName = "0.1.0"
        // The package brings these two.
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") }
    }

    // Presenters are plain Kotlin; here they are compiled against the Android package, in Maven against the JVM's.
    sourceSets["main"].kotlin.srcDir("../presenters/src/main/kotlin")

    buildTypes {
        release {
            // The package's own rules keep what its native library needs.
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
            // So that a minified build can be tried at once; a shop wants a key of your own.
            signingConfig = signingConfigs["debug"]
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    // A foundation in the assets is mapped from a copy; packing it would only cost time.
    androidResources { noCompress += listOf("safetensors", "gguf") }
}

kotlin {
    compilerOptions { jvmTarget = JvmTarget.JVM_11 }
}

dependencies {
    implementation("dev.loam:loam-android:0.1.0")
    implementation("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.10.2")
}
