package dev.loam

import dev.loam.ffi.LoamException
import java.io.File
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** What the device is like reaches engines, and keeps out what nobody waits for. */
class ConditionsTest {
    private val cool = conditions(Thermal.NOMINAL)
    private val hot = conditions(Thermal.SERIOUS)

    private fun conditions(thermal: Thermal) = Conditions(thermal, Battery(null, Supply.MAINS, Saver.OFF))

    private inline fun <reified T : Throwable> fails(crossinline act: suspend () -> Unit): T =
        assertThrows(T::class.java) { runBlocking { act() } }

    private suspend fun ask(engine: Engine, priority: Priority): String =
        engine.attach("com.example.photos").generate("The cat", GenerateOptions(maxTokens = 4u, priority = priority)).wholeText()

    @Test
    fun `background work is refused on a hot device and taken when it has cooled`(): Unit = runBlocking {
        Place.open().use { engine ->
            assertEquals(cool, engine.status.conditions)
            engine.setConditions(hot)
            assertEquals(hot, engine.status.conditions)
            val refused = fails<LoamException.Refused> { ask(engine, Priority.BACKGROUND) }
            assertEquals(60_000uL, refused.retryAfterMs)
            assertTrue("thermal state is serious" in refused.sentence, refused.sentence)
            val text = ask(engine, Priority.NORMAL)
            engine.setConditions(cool)
            assertEquals(text, ask(engine, Priority.BACKGROUND))
        }
    }

    @Test
    fun `a host says it for all apps and its clients do not`(@TempDir folder: File): Unit = runBlocking {
        Host.open(Place.tiny, folder.resolve("state").path).use { host ->
            host.listen(folder.resolve("socket").path)
            Engine.connect(folder.resolve("socket").path).use { engine ->
                host.setConditions(hot)
                fails<LoamException.Refused> { ask(engine, Priority.BACKGROUND) }
                assertEquals("conditions", fails<LoamException.Unsupported> { engine.setConditions(cool) }.what)
                assertEquals(hot, engine.status.conditions)
            }
        }
    }

    @Test
    fun `engines hear what a platform says for as long as they are open`(@TempDir folder: File): Unit = runBlocking {
        val surroundings = Surroundings()
        var tell: ((Conditions) -> Unit)? = null
        surroundings.install { tell = it }
        assertNull(tell, "nobody listens")
        val (first, second) = Place.open() to Place.open()
        val host = Host.open(Place.tiny, folder.resolve("state").path)
        fun join(engine: Engine) = surroundings.join(engine.ffi) { it, now -> it.setConditions(now) }
        join(first)
        surroundings.join(host.ffi) { it, now -> it.setConditions(now) }
        val say = checkNotNull(tell)
        say(hot)
        join(second)
        assertEquals(listOf(hot, hot, hot), listOf(first.status, second.status, host.status).map { it.conditions })
        first.close()
        host.close()
        say(cool)
        assertEquals(cool, second.status.conditions)
        second.close()
        say(hot)
        // The second source is not asked.
        surroundings.install { error("there is one already") }
    }
}
