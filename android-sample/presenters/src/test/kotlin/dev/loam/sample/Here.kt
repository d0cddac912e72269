/** What the tests work on: the folder that `make scenarios` prepares, and the real foundation where it was pulled. */
package dev.loam.sample

import dev.loam.Acceleration
import dev.loam.AngularRate
import dev.loam.Axes
import dev.loam.Gravity
import dev.loam.ImuLayout
import dev.loam.ImuSource
import dev.loam.Motion
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assumptions.assumeTrue

object Here {
    private val root = File(System.getProperty("loam.root"))
    private val home = File(System.getProperty("user.home"))

    /** Tiny random models, adapters for them, pictures, sound and motion. */
    val scenarios: File = System.getenv("LOAM_SCENARIOS")?.let(::File)
        ?: File(System.getenv("CARGO_TARGET_DIR")?.let(::File) ?: root.resolve("target"), "scenarios")

    val tiny = Place(scenarios.resolve("tiny"), scenarios.resolve("adapters"))

    /** The real foundation. Skips the test where it was not pulled. */
    fun nano(): Place {
        val cache = System.getenv("LOAM_HOME")?.let(::File) ?: home.resolve(".cache/loam")
        val foundation = cache.resolve("foundations/loam-nano")
        assumeTrue(foundation.exists(), "loam-nano is not there: make pull")
        return Place(foundation, root.resolve("models/adapters"))
    }
}

/** Runs [test] on open foundations, on one thread, as a screen would; nothing may run any more after it. */
fun onScreens(places: Places = Places(Here.tiny), test: suspend Sample.() -> Unit) = runBlocking {
    check(Here.scenarios.exists()) { "${Here.scenarios} is not there: make scenarios" }
    val scope = CoroutineScope(coroutineContext + SupervisorJob())
    Sample.open(places, scope).use { sample ->
        withTimeout(120.seconds) {
            sample.test()
            while (sample.activeStreams > 0) delay(1)
        }
        scope.cancel()
    }
}

/** Waits until [state] is as wanted. */
suspend fun <S : Any> Presenter<S>.await(wanted: (S) -> Boolean): S = state.first(wanted)

/** A recording, as a microphone would give it, as fast as it is taken. */
class Recording(private val samples: ShortArray, override val sampleRate: Int = 16_000) : Microphone {
    override fun chunks(): Flow<ShortArray> = flow {
        val chunk = sampleRate / 10
        for (start in samples.indices step chunk) {
            emit(samples.copyOfRange(start, minOf(start + chunk, samples.size)))
        }
    }

    companion object {
        /** The samples of a 16-bit mono WAV file with a plain header. */
        fun of(file: File): ShortArray {
            val bytes = file.readBytes()
            val samples = ShortArray((bytes.size - HEADER) / 2)
            ByteBuffer.wrap(bytes, HEADER, bytes.size - HEADER).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().get(samples)
            return samples
        }

        private const val HEADER = 44
    }
}

/** A microphone that never ends: a recording, again and again, ten times as fast as it was spoken. */
class Loop(private val samples: ShortArray) : Microphone {
    override val sampleRate = 16_000

    override fun chunks(): Flow<ShortArray> = flow {
        while (true) {
            Recording(samples).chunks().collect {
                emit(it)
                delay(10)
            }
        }
    }
}

/** Recorded motion in chunks of 20 samples, with times that [clock] gives. */
class Walk(private val clock: (Int) -> Double = { it / 50.0 }) : MotionSensor {
    private val samples: FloatArray = run {
        val bytes = Here.scenarios.resolve("walk.f32").readBytes()
        FloatArray(bytes.size / 4).also { ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(it) }
    }

    override val source = ImuSource(
        50.0, ImuLayout.ACCELEROMETER_GYROSCOPE, Acceleration.METERS_PER_SECOND_SQUARED, AngularRate.RADIANS_PER_SECOND,
        Gravity.INCLUDED, Axes.ANDROID,
    )

    override fun chunks(): Flow<Motion> = flow {
        for (first in 0 until samples.size / 6 step 20) {
            val steps = first until first + 20
            emit(
                Motion(
                    samples.copyOfRange(6 * first, 6 * (first + 20)),
                    DoubleArray(20) { clock(steps.first + it) },
                ),
            )
        }
    }
}
