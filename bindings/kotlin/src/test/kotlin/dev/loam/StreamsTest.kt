package dev.loam

import dev.loam.ffi.Event
import java.util.concurrent.atomic.AtomicInteger
import kotlin.random.Random
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.sync.Semaphore
import kotlinx.coroutines.sync.withPermit
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Flows that are opened and stopped. */
class StreamsTest {
    private val options = GenerateOptions(maxTokens = 150u)

    @Test
    fun `four hundred streams end whole or where they are stopped, and none is left running`() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.streams")
            val full = text(app.generate("The cat", options).toList())
            val pieces = app.generate("The cat", options).toList().count { it is Event.Text }
            assertTrue(pieces > 10, "$pieces pieces are too few to stop among")
            val (whole, counted, cancelled, late) = List(4) { AtomicInteger() }
            val random = Random(20261125)
            val beside = Semaphore(16)
            withContext(Dispatchers.Default) {
                List(400) { random.nextInt(3) to random.nextInt(1, pieces) }.map { (manner, at) ->
                    async {
                        beside.withPermit {
                            val stream = app.generate("The cat", options)
                            when (manner) {
                                0 -> stream.endsWith(full).also { whole.incrementAndGet() }
                                1 -> stream.stopsAfter(at, full).also { counted.incrementAndGet() }
                                else -> if (stream.isCancelledAfter(at % 8L, full)) cancelled.incrementAndGet()
                                else late.incrementAndGet()
                            }
                        }
                    }
                }.awaitAll()
            }
            assertEquals(400, whole.get() + counted.get() + cancelled.get() + late.get())
            assertTrue(minOf(whole.get(), counted.get()) > 100, "$whole whole, $counted counted")
            // Some end before the clock stops them; where a test shows nothing but these, it shows nothing.
            assertTrue(cancelled.get() > 50, "$cancelled were cancelled, $late came too late")
            engine.awaitIdle()
            assertEquals(full, text(app.generate("The cat", options).toList()), "the engine goes on")
        }
    }

    private suspend fun Flow<Event>.endsWith(full: String) {
        val events = toList()
        assertEquals(full, text(events))
        assertEquals(FinishReason.MAX_TOKENS, done(events).finishReason)
    }

    private suspend fun Flow<Event>.stopsAfter(count: Int, full: String) {
        val events = take(count).toList()
        assertEquals(count, events.size)
        assertTrue(full.startsWith(text(events)), "'${text(events)}' is no beginning of '$full'")
    }

    /** Whether it was stopped before its end. */
    private suspend fun Flow<Event>.isCancelledAfter(millis: Long, full: String): Boolean = coroutineScope {
        val heard = mutableListOf<Event>()
        val collector = launch { collect { heard += it } }
        delay(millis)
        collector.cancelAndJoin()
        assertTrue(full.startsWith(text(heard)), "'${text(heard)}' is no beginning of '$full'")
        heard.lastOrNull() !is Event.Done
    }

    @Test
    fun `a session is free for its next turn when a collector has enough`() = runBlocking {
        Place.open().use { engine ->
            val session = engine.attach("com.example.streams").chat()
            repeat(50) {
                assertEquals(2, session.respond("Hello", GenerateOptions(maxTokens = 200u)).take(2).toList().size)
                assertEquals(listOf(Role.USER, Role.ASSISTANT), session.messages.map { it.role })
                session.clear()
            }
            engine.awaitIdle()
        }
    }

    @Test
    fun `a stopped turn ends within one token`() = runBlocking {
        Place.open().use { engine ->
            val session = engine.attach("com.example.streams").chat()
            val listener = Listener(stopsAfter = 4)
            val handle = session.respond("Hello", GenerateOptions(maxTokens = 400u), listener)
            listener.listensTo(handle)
            handle.join()
            val stats = done(listener.events)
            assertEquals(FinishReason.STOPPED, stats.finishReason)
            assertEquals(4, listener.texts)
            // A piece of text may take several tokens; random bytes of this model need four at most.
            assertTrue(stats.generatedTokens <= 4u * 4u + 1u, "${stats.generatedTokens} tokens")
        }
    }

    @Test
    fun `a slow collector gets everything`() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.streams")
            val full = app.generate("The cat", options).wholeText()
            assertEquals(full, app.generate("The cat", options).onEach { delay(5) }.wholeText())
            assertTrue(full.isNotEmpty())
        }
    }

    @Test
    fun `an exception of a collector stops the work and comes out as it is`() {
        runBlocking {
            Place.open().use { engine ->
                val stream = engine.attach("com.example.streams").generate("The cat", GenerateOptions(maxTokens = 400u))
                val failure = assertThrows(IllegalStateException::class.java) {
                    runBlocking { stream.collect { error("enough") } }
                }
                assertEquals("enough", failure.message)
                engine.awaitIdle()
            }
        }
    }

    @Test
    fun `a flow can be collected again`() = runBlocking {
        Place.open().use { engine ->
            val stream = engine.attach("com.example.streams").generate("The cat", options)
            assertEquals(stream.wholeText(), stream.wholeText())
        }
    }
}
