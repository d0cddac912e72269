package dev.loam

import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** Memory that the engine borrows stays until the call is over, whatever the collector does meanwhile. */
class LendTest {
    @Test
    fun `samples are those of the caller while garbage is collected`() {
        val done = AtomicBoolean()
        val waste = thread(name = "waste") {
            var kept = 0L
            while (!done.get()) kept += ByteArray(200_000).size
            check(kept > 0)
        }
        val collector = thread(name = "collector") {
            while (!done.get()) {
                System.gc()
                Thread.sleep(1)
            }
        }
        // A sample that is not the caller's is most likely none that the engine accepts.
        val samples = FloatArray(1 shl 18) { i -> if (i % 2 == 0) 0.5f else -0.5f }
        val pixels = ByteArray(1 shl 18)
        try {
            val begin = System.nanoTime()
            var calls = 0
            // Enough for the compiler, after which the fault showed; a busy machine takes longer.
            while (System.nanoTime() - begin < SECONDS * 1_000_000_000L || calls <= 200) {
                check(System.nanoTime() - begin < 12 * SECONDS * 1_000_000_000L) { "only $calls rounds" }
                Input.pcm(samples, sampleRate = 16_000).use { assertEquals("sound", it.kind) }
                Input.pixels(pixels, PixelLayout.GREY, 512, 512).use { assertEquals("an image", it.kind) }
                Index().use { index ->
                    index.insert("a", samples)
                    assertEquals(1f, index.search(samples, 1).single().similarity, 1e-4f)
                }
                calls++
            }
        } finally {
            done.set(true)
            waste.join()
            collector.join()
        }
    }

    private companion object {
        const val SECONDS = 10
    }
}
