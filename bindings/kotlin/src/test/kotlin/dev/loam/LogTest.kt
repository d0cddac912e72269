package dev.loam

import java.util.concurrent.CopyOnWriteArrayList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Log records reach a sink of the app. */
class LogTest {
    private val records = CopyOnWriteArrayList<LogRecord>()

    @AfterEach
    fun silence() = logTo(LogLevel.OFF) {}

    private fun loads() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.log")
            app.generate("The cat", GenerateOptions(maxTokens = 3u)).wholeText()
            app.embed(Input.text("The cat"))
        }
    }

    @Test
    fun `a sink hears of what is loaded, and no more than it asked for`() {
        logTo(LogLevel.INFO) { records += it }
        loads()
        assertTrue(records.any { it.target.startsWith("loam") && "vision-language" in it.message }, "$records")
        assertTrue(records.none { it.level == LogLevel.DEBUG || it.level == LogLevel.TRACE }, "$records")
        val heard = records.size
        logTo(LogLevel.OFF) { records += it }
        loads()
        assertEquals(heard, records.size)
    }

    @Test
    fun `a sink that throws does no harm`() {
        logTo(LogLevel.TRACE) { record ->
            records += record
            throw AssertionError("the log is full")
        }
        loads()
        assertTrue(records.isNotEmpty())
    }
}
