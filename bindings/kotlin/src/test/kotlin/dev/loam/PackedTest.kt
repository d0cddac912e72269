package dev.loam

import dev.loam.ffi.LoamException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Arrays on their way to the engine and back. */
class PackedTest {
    private val packed = Packed()

    private fun bytes(buffer: ByteBuffer): List<Byte> =
        buffer.duplicate().let { view -> List(view.remaining()) { view.get() } }

    @Test
    fun `values lie little-endian from the buffer's position, also when it is used again`() {
        assertEquals(listOf<Byte>(0, 0, -128, 63, 0, 0, 0, -64), bytes(packed.of(floatArrayOf(1f, -2f))))
        assertEquals(listOf<Byte>(2, 1), bytes(packed.of(shortArrayOf(258))))
        assertEquals(8 * 100, packed.of(DoubleArray(100)).remaining())
        assertEquals(listOf<Byte>(7, 8), bytes(packed.of(byteArrayOf(7, 8))))
        assertEquals(0, packed.of(FloatArray(0)).remaining())
    }

    @Test
    fun `a buffer is read from its position to its limit and left as it is`() {
        val heap = ByteBuffer.wrap(byteArrayOf(1, 2, 3, 4))
        heap.position(1).limit(3)
        assertEquals(listOf<Byte>(2, 3), bytes(packed.of(heap)))
        assertEquals(1 to 3, heap.position() to heap.limit())
        val direct = ByteBuffer.allocateDirect(4)
        direct.position(1)
        val slice = packed.of(direct)
        direct.put(2, 9)
        assertEquals(listOf<Byte>(0, 9, 0), bytes(slice), "not a copy")
        assertEquals(0, slice.position())
    }

    @Test
    fun `a direct buffer with a position gives the picture behind it`() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.packed")
            val grey = ByteArray(16 * 16) { (it * 3).toByte() }
            val shifted = ByteBuffer.allocateDirect(grey.size + 5)
            shifted.position(5)
            shifted.duplicate().put(grey)
            val plain = app.embed(Input.pixels(grey, PixelLayout.GREY, 16, 16))
            val behind = app.embed(Input.pixels(shifted, PixelLayout.GREY, 16, 16))
            assertArrayEquals(plain.toFloatArray(), behind.toFloatArray())
        }
    }

    @Test
    fun `speech unpacks to both kinds of samples`() {
        val samples = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN).putFloat(0.5f).putFloat(-1f).putFloat(1.5f)
        val speech = Speech(samples.array(), 16_000u, Trace(4u, emptyList()))
        assertArrayEquals(floatArrayOf(0.5f, -1f, 1.5f), speech.toFloatArray())
        assertArrayEquals(shortArrayOf(16383, -32767, 32767), speech.toShortArray())
    }

    @Test
    fun `shorts and floats of one sound are understood alike, as a whole and in chunks`(): Unit = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.packed")
            val file = Place.file("speech.wav").readBytes()
            val view = ByteBuffer.wrap(file, 44, file.size - 44).slice().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer()
            val shorts = ShortArray(view.remaining()).also(view::get)
            val floats = FloatArray(shorts.size) { shorts[it] / 32768f }
            val stereo = ShortArray(2 * shorts.size) { shorts[it / 2] }
            val expected = app.transcribe(Input.wav(Place.file("speech.wav"))).text
            assertTrue(expected.isNotEmpty())
            assertEquals(expected, app.transcribe(Input.pcm(shorts, 16_000)).text)
            assertEquals(expected, app.transcribe(Input.pcm(floats, 16_000)).text)
            assertEquals(expected, app.transcribe(Input.pcm(stereo, 16_000, channels = 2)).text)
            for (stream in listOf(app.transcribe(flowOf(shorts), 16_000), app.transcribe(flowOf(floats), 16_000))) {
                val events = stream.toList()
                val text = events.filterIsInstance<dev.loam.ffi.Event.Segment>().joinToString("") { it.segment.text }
                assertEquals(expected, text)
                assertTrue(events.last() is dev.loam.ffi.Event.Transcribed)
            }
            assertThrows(LoamException.Argument::class.java) {
                runBlocking { app.transcribe(flowOf<ShortArray>(), 16_000).toList() }
            }
        }
    }

    @Test
    fun `an index takes vectors of results and of the app`() {
        Index().use { index ->
            index.insert("up", floatArrayOf(0f, 1f))
            index.insert("right", floatArrayOf(1f, 0f))
            assertEquals(2, index.count)
            assertEquals(listOf("right", "up"), index.search(floatArrayOf(0.9f, 0.1f), 2).map { it.key })
            assertTrue(index.remove("right"))
            assertEquals(listOf("up"), index.search(floatArrayOf(1f, 0f), 5).map { it.key })
            assertThrows(LoamException.Argument::class.java) { index.insert("long", FloatArray(3)) }
        }
    }
}
