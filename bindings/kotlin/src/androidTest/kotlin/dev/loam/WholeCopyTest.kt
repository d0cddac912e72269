package dev.loam

import java.io.ByteArrayInputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class WholeCopyTest {
    @TempDir
    lateinit var folder: File

    @Test
    fun `a copy is whole, makes its folders and replaces what was there`() {
        val to = File(folder, "a/b/weights")
        val bytes = ByteArray(1_000_000) { it.toByte() }
        copyWhole(ByteArrayInputStream(bytes), to)
        assertArrayEquals(bytes, to.readBytes())
        copyWhole(ByteArrayInputStream(byteArrayOf(1)), to)
        assertArrayEquals(byteArrayOf(1), to.readBytes())
        assertEquals(listOf("weights"), to.parentFile.list()!!.toList())
    }

    @Test
    fun `a copy that fails leaves the old file and nothing else`() {
        val to = File(folder, "weights").apply { writeText("old") }
        val broken = object : InputStream() {
            private var left = 300_000

            override fun read(): Int = if (left-- > 0) 7 else throw IOException("the card was pulled")
        }
        val failure = assertThrows(IOException::class.java) { copyWhole(broken, to) }
        assertEquals("the card was pulled", failure.message)
        assertEquals("old", to.readText())
        assertEquals(listOf("weights"), folder.list()!!.toList())
    }

    @Test
    fun `rows with gaps are moved together`() {
        val rows = ByteBuffer.wrap(byteArrayOf(1, 2, 0, 3, 4, 0))
        val pixels = tight(rows, stride = 3, width = 2, height = 2)
        assertEquals(listOf<Byte>(1, 2, 3, 4), List(pixels.remaining()) { pixels.get() })
        assertSame(rows, tight(rows, stride = 2, width = 2, height = 3))
    }
}
