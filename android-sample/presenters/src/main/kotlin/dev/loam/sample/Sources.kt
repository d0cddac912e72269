/** What presenters hear and feel; each platform brings its own. */
package dev.loam.sample

import dev.loam.ImuSource
import dev.loam.Motion
import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.channelFlow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.launch

/** A source of speech. */
interface Microphone {
    /** Samples per second. */
    val sampleRate: Int

    /** Mono 16-bit samples, some 100 ms at a time, from now until the collector has enough. */
    fun chunks(): Flow<ShortArray>
}

/** A source of motion. */
interface MotionSensor {
    /** How motion is recorded. */
    val source: ImuSource

    /** Samples as they come, with their times, from now until the collector has enough. */
    fun chunks(): Flow<Motion>
}

/** A value and the moment at which it came, by [System.nanoTime]. */
internal class Arrival<T>(val value: T, val at: Long = System.nanoTime())

/**
 * The same flow, which ends when [stop] completes. What came before that is still delivered, and a slow collector loses
 * nothing: a microphone does not wait.
 */
internal fun <T> Flow<T>.until(stop: Job): Flow<Arrival<T>> {
    val source = map { Arrival(it) }
    return channelFlow {
        val feeding = launch { source.collect { send(it) } }
        val watch = stop.invokeOnCompletion { feeding.cancel() }
        feeding.join()
        watch.dispose()
    }.buffer(Channel.UNLIMITED)
}
