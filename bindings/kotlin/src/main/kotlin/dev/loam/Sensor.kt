package dev.loam

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * Samples of a motion sensor, one after another in the order of the source's layout, with the time of each in seconds, or no
 * time where they are evenly spaced.
 */
public class Motion(
    /** Values; their unit is the source's. */
    public val samples: FloatArray,
    /** Seconds since any moment that all chunks of a stream share. */
    public val timestamps: DoubleArray = DoubleArray(0),
)

/** Tells what a device's motion means, window by window, from samples as they come. */
public class Sensor internal constructor(
    private val ffi: dev.loam.ffi.Sensor,
    private val blocking: CoroutineDispatcher,
) : AutoCloseable {
    private val samples = Packed()
    private val timestamps = Packed()

    /** Pushes keep their order, and the buffers serve one at a time. */
    private val turn = Mutex()

    /** Length of a window in seconds. */
    public val windowSeconds: Double get() = ffi.windowSeconds()

    /**
     * Takes samples and returns the results of the windows that they complete, which run on another thread.
     *
     * Throws [dev.loam.ffi.LoamException.Argument] for a gap that the sensor's repair does not allow; [restart] then.
     */
    public suspend fun push(motion: Motion): List<Sensed> = turn.withLock {
        withContext(blocking) {
            samples.of(motion.samples).lend { values ->
                timestamps.of(motion.timestamps).lend { times -> ffi.push(values, times) }
            }
        }
    }

    /** Forgets the samples at hand: a new stream begins. */
    public fun restart(): Unit = ffi.restart()

    override fun close(): Unit = ffi.close()
}
