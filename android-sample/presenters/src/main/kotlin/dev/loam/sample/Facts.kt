package dev.loam.sample

import dev.loam.ProcessMemory
import dev.loam.Trace
import java.util.Locale

/** What every screen tells about its last work; what is not known yet is absent. */
data class Facts(
    /** From the input to the first result, in ms. */
    val latencyMs: Double? = null,
    /** Number of the data-flow path, 1 to 4. */
    val path: Int? = null,
    /** Names of the components that ran, in their order. */
    val components: List<String> = emptyList(),
    /** Alias of the adapter that ran; absent for the bare foundation. */
    val adapter: String? = null,
    /** Memory of this process. */
    val memory: ProcessMemory? = null,
    /** How fast the work went, where that says more than the latency. */
    val speed: Speed? = null,
)

/** How fast a stream goes. */
sealed interface Speed {
    /** Generated tokens per second. */
    data class Tokens(val perSecond: Double) : Speed

    /** Seconds of work per second of sound. */
    data class RealTime(val factor: Double) : Speed
}

/** These facts with what [trace] tells. */
internal fun Facts.ran(trace: Trace): Facts =
    copy(path = trace.path.toInt(), components = trace.steps.map { it.component }.distinct())

/** Milliseconds with as many digits as matter: `0.42 ms`, `8.1 ms`, `120 ms`, `2.4 s`. */
fun milliseconds(ms: Double, locale: Locale = Locale.getDefault()): String = when {
    ms < 1 -> String.format(locale, "%.2f ms", ms)
    ms < 10 -> String.format(locale, "%.1f ms", ms)
    ms < 1000 -> String.format(locale, "%.0f ms", ms)
    else -> String.format(locale, "%.1f s", ms / 1000)
}

/** Bytes in MB, of 10^6 bytes. */
fun megabytes(bytes: ULong, locale: Locale = Locale.getDefault()): String =
    String.format(locale, "%.0f MB", bytes.toDouble() / 1e6)

/** A probability in percent. */
fun percent(probability: Float, locale: Locale = Locale.getDefault()): String =
    String.format(locale, "%.0f %%", probability * 100)

/** Milliseconds since [start], a value of [System.nanoTime]. */
internal fun millisecondsSince(start: Long): Double = (System.nanoTime() - start) / 1e6
