package dev.loam

/**
 * Two sensors as one stream: an accelerometer and a gyroscope report at moments of their own, samples of an [ImuSource] hold
 * both. Each acceleration is one sample; the angular rate of its moment lies on the line between the reports before and
 * after. Accelerations from before the first angular rate are dropped.
 *
 * Not safe from threads.
 */
internal class MotionMerge(
    /** Samples of a chunk. */
    private val chunk: Int,
) {
    private class Report(val nanos: Long, val values: FloatArray)

    private val accelerations = ArrayDeque<Report>()
    private var rotation: Report? = null
    private var origin: Long? = null
    private val samples = FloatArray(chunk * CHANNELS)
    private val timestamps = DoubleArray(chunk)
    private var filled = 0

    /** Takes acceleration about x, y, z at a moment of the sensors' clock. */
    fun acceleration(nanos: Long, values: FloatArray) {
        val last = accelerations.lastOrNull()
        // Drivers repeat reports when another app asks for the sensor; time has to rise.
        if (last == null || nanos > last.nanos) accelerations.addLast(Report(nanos, values.copyOf(AXES)))
    }

    /** Takes an angular rate about x, y, z; the chunks that it completes. */
    fun rotation(nanos: Long, values: FloatArray): List<Motion> {
        val before = rotation
        if (before != null && nanos <= before.nanos) return emptyList()
        val after = Report(nanos, values.copyOf(AXES))
        rotation = after
        val complete = mutableListOf<Motion>()
        while (accelerations.isNotEmpty() && accelerations.first().nanos <= nanos) {
            val acceleration = accelerations.removeFirst()
            when {
                before == null && acceleration.nanos < nanos -> Unit
                else -> add(acceleration, between(before ?: after, after, acceleration.nanos))?.let(complete::add)
            }
        }
        return complete
    }

    private fun between(before: Report, after: Report, nanos: Long): FloatArray {
        if (before === after) return after.values
        val share = ((nanos - before.nanos).toDouble() / (after.nanos - before.nanos)).toFloat()
        return FloatArray(AXES) { axis -> before.values[axis] + share * (after.values[axis] - before.values[axis]) }
    }

    private fun add(acceleration: Report, rate: FloatArray): Motion? {
        val start = origin ?: acceleration.nanos.also { origin = it }
        acceleration.values.copyInto(samples, filled * CHANNELS)
        rate.copyInto(samples, filled * CHANNELS + AXES)
        timestamps[filled] = (acceleration.nanos - start) / NANOS_PER_SECOND
        filled += 1
        if (filled < chunk) return null
        filled = 0
        return Motion(samples.copyOf(), timestamps.copyOf())
    }

    private companion object {
        const val AXES = 3
        const val CHANNELS = 2 * AXES
        const val NANOS_PER_SECOND = 1e9
    }
}
