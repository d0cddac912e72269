package dev.loam.sample

import dev.loam.ffi.LoamException
import dev.loam.sentence
import java.io.File
import java.util.Locale
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class SampleTest {
    @Test
    fun `an adapter that does not fit is left out by name`() = onScreens {
        assertEquals(setOf("wrong"), refused.keys)
        assertTrue("wrong" in refused.getValue("wrong"), refused.toString())
    }

    @Test
    fun `two foundations serve two kinds of screens`() = onScreens(Places(Here.nano(), Here.tiny)) {
        assertEquals(listOf("brief", "explain", "python", "reader", "reply", "shell"), screens.chat.state.value.adapters.map { it.alias })
        assertEquals(listOf("tilt"), screens.sense.state.value.adapters.map { it.alias })
    }

    @Test
    fun `no foundation, no sample`() {
        val nowhere = Places(Place(File("/nowhere/at/all")))
        val error = assertThrows(LoamException.Io::class.java) {
            runBlocking { Sample.open(nowhere, CoroutineScope(coroutineContext)) }
        }
        assertTrue("/nowhere/at/all" in error.sentence)
    }

    @Test
    fun `the way to the first screen`() = runBlocking {
        suspend fun outcome(find: suspend () -> Places?) =
            OpeningPresenter("over there", this) { find() }.await { it != Opening.Under }
        assertEquals(Opening.Missing("over there"), outcome { null })
        val failed = outcome { Places(Place(Here.scenarios.resolve("not there"))) } as Opening.Failed
        assertEquals(3, failed.failure.code)
        val done = outcome { Places(Here.tiny) } as Opening.Done
        assertEquals(listOf("tiny"), done.sample.foundations)
        done.sample.close()
    }

    @Test
    fun `numbers have the digits that matter`() {
        assertEquals("0.42 ms", milliseconds(0.42, Locale.ROOT))
        assertEquals("8.1 ms", milliseconds(8.06, Locale.ROOT))
        assertEquals("120 ms", milliseconds(120.3, Locale.ROOT))
        assertEquals("2.4 s", milliseconds(2_400.0, Locale.ROOT))
        assertEquals("190 MB", megabytes(190_400_000uL, Locale.ROOT))
        assertEquals("97 %", percent(0.9729f, Locale.ROOT))
    }
}
