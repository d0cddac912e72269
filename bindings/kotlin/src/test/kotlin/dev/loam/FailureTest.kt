package dev.loam

import dev.loam.ffi.Event
import dev.loam.ffi.InternalException
import dev.loam.ffi.LoamException
import dev.loam.ffi.provokePanic
import dev.loam.ffi.provokePanicInWorker
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What comes back when something fails: here, in the engine, and in callbacks. */
class FailureTest {
    private inline fun <reified T : Throwable> fails(crossinline act: suspend () -> Unit): T =
        assertThrows(T::class.java) { runBlocking { act() } }

    private fun withApp(test: suspend (Engine, App) -> Unit) = runBlocking {
        Place.open().use { engine -> test(engine, engine.attach("com.example.failure")) }
    }

    private suspend fun App.stillAnswers() {
        assertTrue(generate("The cat", GenerateOptions(maxTokens = 5u)).wholeText().isNotEmpty())
    }

    @Test
    fun `a failure names what it is about`() {
        val missing = Place.file("nowhere").path
        val io = fails<LoamException.Io> { Engine.open(missing) }
        assertEquals(3, io.code().toInt())
        assertTrue(missing in io.path && missing in io.reason, io.message)
        withApp { _, app ->
            val unknown = fails<LoamException.UnknownAdapter> { app.adapters["absent"] }
            assertEquals("absent", unknown.alias)
            assertEquals(8, unknown.code().toInt())
            val rate = fails<LoamException.Argument> { Input.pcm(ShortArray(8), sampleRate = -1) }
            assertEquals("sampleRate", rate.name)
            app.stillAnswers()
        }
    }

    @Test
    fun `a stream that fails throws to its collector`() = withApp { engine, app ->
        val long = "word ".repeat(20_000)
        val full = fails<LoamException.ContextFull> { app.generate(long).toList() }
        assertTrue(full.tokens > full.limit, full.message)
        assertTrue(full.reason.isNotEmpty())
        assertEquals(full.reason, full.sentence)
        engine.awaitIdle()
        app.stillAnswers()
    }

    @Test
    fun `what a sink throws comes back with its message, and errors do too`() = withApp { engine, app ->
        for (thrown in listOf(IllegalStateException("the receiver is full"), AssertionError("the receiver is full"))) {
            val listener = Listener(throws = thrown)
            val handle = app.generate("The cat", sink = listener)
            val failure = fails<LoamException.Callback> { handle.join() }
            assertEquals("the receiver is full", failure.reason)
            assertEquals(1, listener.texts)
            assertInstanceOf(LoamException.Callback::class.java, (listener.events.last() as Event.Failed).error)
        }
        engine.awaitIdle()
        app.stillAnswers()
    }

    @Test
    fun `a panic is an exception`() = withApp { engine, app ->
        val here = fails<InternalException> { provokePanic() }
        assertTrue("provoked on the caller's thread" in here.message!!)
        val there = fails<LoamException.Internal> {
            events { sink -> provokePanicInWorker(app.ffi, sink) }.toList()
        }
        assertTrue("provoked on a worker thread" in there.reason)
        assertEquals(1, there.code().toInt())
        engine.awaitIdle()
        app.stillAnswers()
    }

    @Test
    fun `an argument that was closed is refused`() = withApp { _, app ->
        val (open, closed) = Input.text("A cat sleeps.") to Input.text("x").also { it.close() }
        val gone = app.adapters.install(Place.adapter("voice")).also { it.close() }
        fails<IllegalStateException> { app.embed(closed) }
        fails<IllegalStateException> { app.answer(listOf(open, closed), "What?").toList() }
        fails<IllegalStateException> { app.chat(adapter = gone) }
        fails<IllegalStateException> { app.generate("x", adapter = gone).toList() }
        fails<IllegalStateException> { gone.alias }
        assertEquals("Adapter(closed)", gone.toString())
        assertEquals("text", open.kind)
        app.stillAnswers()
    }

    @Test
    fun `what is closed refuses, and closing twice is nothing`(): Unit = runBlocking {
        val engine = Place.open()
        val app = engine.attach("com.example.failure")
        app.stillAnswers()
        assertTrue(engine.foundation.components.any { it.loaded })
        val session = app.chat()
        session.close()
        session.close()
        fails<IllegalStateException> { session.messages }
        fails<IllegalStateException> { session.respond("Hello").toList() }
        engine.close()
        engine.close()
        fails<IllegalStateException> { engine.attach("com.example.failure") }
        // What is still held goes on.
        app.stillAnswers()
        app.close()
        fails<IllegalStateException> { app.classify(Input.text("x"), labels = listOf("a", "b")) }
    }
}
