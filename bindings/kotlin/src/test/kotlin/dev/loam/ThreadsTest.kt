package dev.loam

import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import java.util.Collections
import java.util.concurrent.Callable
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.Executors
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Every call is safe from any thread. */
class ThreadsTest {
    private val options = GenerateOptions(maxTokens = 12u)

    @Test
    fun `many threads call at once and each gets what it would get alone`() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.threads")
            val picture = Input.image(Place.file("square.png"))
            val labels = listOf("cat", "dog", "bird")
            val vector = app.embed(picture).vector.toList()
            val label = app.classify(picture, labels = labels).label
            val text = app.generate("The cat", options).wholeText()
            val words = app.transcribe(Input.wav(Place.file("speech.wav"))).text
            val threads = Executors.newFixedThreadPool(12)
            val work = List(96) { i ->
                Callable {
                    runBlocking {
                        when (i % 5) {
                            0 -> assertEquals(vector, app.embed(picture).vector.toList())
                            1 -> assertEquals(label, app.classify(picture, labels = labels).label)
                            2 -> assertEquals(text, app.generate("The cat", options).wholeText())
                            3 -> assertEquals(words, app.transcribe(Input.wav(Place.file("speech.wav"))).text)
                            else -> engine.attach("com.example.app$i").use { own ->
                                val voice = own.adapters.install(Place.adapter("voice"))
                                assertEquals(listOf("voice"), own.adapters.list().map { it.alias })
                                val used = done(own.chat(adapter = voice).respond("Hello", options).toList()).adapter
                                assertEquals("voice", used?.alias)
                            }
                        }
                    }
                }
            }
            // `get` throws what an assertion threw.
            threads.invokeAll(work).forEach { it.get() }
            threads.shutdown()
            engine.awaitIdle()
        }
    }

    @Test
    fun `an object that is closed while others call it either answers or says so`() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.threads")
            val threads = Executors.newFixedThreadPool(8)
            val outcomes = ConcurrentHashMap.newKeySet<String>()
            repeat(100) {
                val input = Input.text("two cats on a mat")
                val calls = List(8) { i ->
                    Callable {
                        if (i == 3) input.close()
                        outcomes += try {
                            runBlocking { app.embed(input) }
                            "answered"
                        } catch (_: IllegalStateException) {
                            "refused"
                        }
                    }
                }
                threads.invokeAll(calls).forEach { it.get() }
            }
            threads.shutdown()
            assertTrue("refused" in outcomes, "$outcomes")
            assertTrue(outcomes.all { it == "answered" || it == "refused" }, "$outcomes")
        }
    }

    @Test
    fun `threads of the engine stay attached`() = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach("com.example.threads")
            val threads = Collections.synchronizedSet(mutableSetOf<Thread>())
            var events = 0
            val sink = object : EventSink {
                override fun onEvent(event: Event): Boolean {
                    threads += Thread.currentThread()
                    events += 1
                    return true
                }
            }
            repeat(5) { app.generate("The cat", options, sink = sink).join() }
            assertTrue(events > 20, "$events events")
            // A thread that is attached anew is another object to the Java machine.
            assertTrue(threads.size <= 4, "${threads.size} threads for $events events")
        }
    }
}
