package dev.loam

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class MotionMergeTest {
    private fun vector(value: Float) = floatArrayOf(value, value + 1, value + 2)

    private val millisecond = 1_000_000L

    @Test
    fun `the angular rate of a sample lies between two reports`() {
        val merge = MotionMerge(chunk = 2)
        assertTrue(merge.rotation(0, vector(0f)).isEmpty())
        merge.acceleration(5 * millisecond, vector(10f))
        merge.acceleration(15 * millisecond, vector(20f))
        assertTrue(merge.rotation(10 * millisecond, vector(10f)).isEmpty(), "one sample is no chunk of two")
        val motion = merge.rotation(20 * millisecond, vector(30f)).single()
        assertArrayEquals(
            floatArrayOf(10f, 11f, 12f, 5f, 6f, 7f, 20f, 21f, 22f, 20f, 21f, 22f), motion.samples, 1e-5f,
        )
        assertArrayEquals(doubleArrayOf(0.0, 0.010), motion.timestamps, 1e-9)
    }

    @Test
    fun `reports that repeat or go back are dropped, and those before the first angular rate too`() {
        val merge = MotionMerge(chunk = 1)
        merge.acceleration(1, vector(1f))
        assertTrue(merge.rotation(5, vector(0f)).isEmpty(), "nothing says how it turned before")
        merge.acceleration(10, vector(2f))
        merge.acceleration(10, vector(3f))
        merge.acceleration(9, vector(4f))
        val motions = merge.rotation(20, vector(6f))
        assertEquals(listOf(2f), motions.map { it.samples[0] })
        assertTrue(merge.rotation(20, vector(7f)).isEmpty())
        merge.acceleration(30, vector(5f))
        assertEquals(listOf(5f), merge.rotation(30, vector(8f)).map { it.samples[0] })
    }

    @Test
    fun `an array that the system uses again does no harm`() {
        val merge = MotionMerge(chunk = 1)
        val reused = vector(1f)
        merge.rotation(0, reused)
        merge.acceleration(10, reused)
        reused.fill(99f)
        val motion = merge.rotation(10, vector(1f)).single()
        assertArrayEquals(floatArrayOf(1f, 2f, 3f, 1f, 2f, 3f), motion.samples)
    }

    @Test
    fun `a chunk is complete after as many samples, and the time goes on`() {
        val merge = MotionMerge(chunk = 5)
        val motions = (0..100).flatMap { i ->
            merge.acceleration(i * 20 * millisecond, vector(i.toFloat()))
            merge.rotation(i * 20 * millisecond, vector(0f))
        }
        assertEquals(20, motions.size)
        val times = motions.flatMap { it.timestamps.toList() }
        assertEquals(99 * 0.020, times.last() - times.first(), 1e-9)
        assertTrue(times.zipWithNext().all { (a, b) -> b > a })
        assertEquals(30, motions.first().samples.size)
    }
}
