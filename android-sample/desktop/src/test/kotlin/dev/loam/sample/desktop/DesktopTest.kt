package dev.loam.sample.desktop

import java.io.File
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What of the desktop twin needs no display; `screenshots.sh` tries the rest. */
class DesktopTest {
    private val scenarios: File = System.getenv("LOAM_SCENARIOS")?.let(::File) ?: File(
        System.getenv("CARGO_TARGET_DIR")?.let(::File) ?: File(System.getProperty("loam.root"), "target"), "scenarios",
    )

    @Test
    fun `every text that the sources name is there`() {
        val sources = File("src/main/kotlin").walk().filter { it.extension == "kt" }.joinToString("\n") { it.readText() }
        val named = Regex("""Strings\["(\w+)"|"(tab_\w+|fact_\w+|subject_\w+|action_\w+|turn_\w+)"""").findAll(sources)
            .map { it.groupValues[1] + it.groupValues[2] }.toSet()
        assertTrue(named.size > 30, named.toString())
        assertEquals(emptySet<String>(), named - Strings.names)
        assertEquals("2: backbone", Strings["fact_path_value", 2, "backbone"])
    }

    @Test
    fun `a recording comes in chunks of a tenth of a second`() = runBlocking {
        val chunks = WavMicrophone(scenarios.resolve("noise.wav")).chunks().toList()
        assertEquals(listOf(1600, 1600, 1600, 1600), chunks.map { it.size })
        assertTrue(chunks.last().any { it.toInt() != 0 })
    }

    @Test
    fun `recorded motion begins with the file's samples`() = runBlocking {
        val motion = RecordedMotion(scenarios.resolve("walk.f32")).chunks().first()
        assertEquals(30, motion.samples.size)
        assertEquals(9.8f, motion.samples[2], 1e-6f)
        assertArrayEquals(doubleArrayOf(0.0, 0.02, 0.04, 0.06, 0.08), motion.timestamps, 1e-12)
    }

    @Test
    fun `options are read, and unknown ones are refused`() {
        val given = Arguments.parse(listOf("--foundation", "/a", "--adapters", "/b", "--senses", "/c"))
        assertEquals(File("/a"), given.places.language.foundation)
        assertEquals(File("/b"), given.places.language.adapters)
        assertEquals(File("/c"), given.places.senses.foundation)
        assertEquals(null, given.screenshots)
        val alone = Arguments.parse(listOf("--foundation", "/a"))
        assertEquals(alone.places.language, alone.places.senses)
        assertThrows(IllegalArgumentException::class.java) { Arguments.parse(listOf("--nothing", "/a")) }
        assertThrows(IllegalArgumentException::class.java) { Arguments.parse(listOf("--speech")) }
    }
}
