package dev.loam

import java.io.File
import kotlinx.coroutines.delay
import org.junit.jupiter.api.Assertions.assertEquals

/** Where the files are that tests work on. */
object Place {
    private val repository = File(System.getProperty("loam.root")).canonicalFile
    private val builds = System.getenv("CARGO_TARGET_DIR")?.let(::File) ?: repository.resolve("target")

    /** The service's program, which `make ffi` builds. */
    val loamd: String by lazy {
        val program = builds.resolve("release/loamd")
        check(program.canExecute()) { "$program is not built: run `make ffi`" }
        program.path
    }

    /** The folder that `make scenarios` prepares. */
    val scenarios: File = run {
        val folder = System.getenv("LOAM_SCENARIOS")?.let(::File) ?: builds.resolve("scenarios")
        check(folder.resolve("tiny/foundation.json").isFile) { "$folder is not prepared: run `make scenarios`" }
        folder
    }

    val table: File = repository.resolve("bindings/scenarios/cases.json")

    val readme: File = repository.resolve("bindings/kotlin/README.md")

    /** A foundation of random models of a few kilobytes. */
    val tiny: String = scenarios.resolve("tiny").path

    /** The real foundation; `null` where it was not pulled. */
    val nano: String? = run {
        val cache = System.getenv("XDG_CACHE_HOME")?.let(::File) ?: File(System.getenv("HOME"), ".cache")
        val home = System.getenv("LOAM_HOME")?.let(::File) ?: cache.resolve("loam")
        home.resolve("foundations/loam-nano").takeIf(File::exists)?.path
    }

    /** The library of ONNX Runtime, which `delegates/setup.sh` fetches; `null` where it was not fetched. */
    val runtime: String? = System.getenv("LOAM_ONNXRUNTIME")?.takeIf { File(it).isFile }

    fun file(name: String): File = scenarios.resolve(name)

    /** A prepared adapter, or one that was trained for the real foundation. */
    fun adapter(name: String): String {
        val own = scenarios.resolve("adapters").resolve(name)
        return if (own.exists()) own.path else repository.resolve("models/adapters").resolve(name).path
    }

    suspend fun open(): Engine = Engine.open(tiny)
}

/** The source of `walk.f32`. */
val PHONE = ImuSource(
    rate = 50.0,
    layout = ImuLayout.ACCELEROMETER_GYROSCOPE,
    acceleration = Acceleration.METERS_PER_SECOND_SQUARED,
    rotation = AngularRate.RADIANS_PER_SECOND,
    gravity = Gravity.INCLUDED,
    axes = Axes.ANDROID,
)

/** Waits until nothing runs; a worker counts as idle a moment after its stream's end. */
suspend fun Engine.awaitIdle() {
    repeat(2_000) {
        if (activeStreams == 0) return
        delay(1)
    }
    assertEquals(0, activeStreams, "streams are left running")
}
