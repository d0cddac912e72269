package dev.loam

import com.sun.jna.Library
import com.sun.jna.Native
import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import dev.loam.ffi.LoamException
import java.io.File
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir

private const val MAIL = "com.example.mail"

/** Engines in a service: the same table, and what only they do. */
class ServiceTest {
    private inline fun <reified T : Throwable> fails(crossinline act: suspend () -> Unit): T =
        assertThrows(T::class.java) { runBlocking { act() } }

    private val tokens = GenerateOptions(maxTokens = 4u)

    /** Dropping a component is the service's own affair. */
    @TestFactory
    fun `every case through loamd`(@TempDir folder: File): List<DynamicTest> =
        Case.all().filter { it.foundation == "tiny" && it.op != "close" }.mapIndexed { number, case ->
            DynamicTest.dynamicTest(case.name) {
                // Adapters of a service stay: each case gets one of its own.
                Daemon(folder.resolve("$number").also { it.mkdirs() }).use { daemon ->
                    runBlocking {
                        Engine.connect(daemon.socket).use { engine ->
                            engine.attach(MAIL).use { app ->
                                val found = Scenario(engine, app, case.args).outcome(case.op)
                                assertNull(difference("result", found, case.expected))
                            }
                        }
                    }
                }
            }
        }

    @Test
    fun `a service that is killed and starts again`(@TempDir folder: File): Unit = runBlocking {
        Daemon(folder).use { daemon ->
            val engine = Engine.connect(daemon.socket)
            val app = engine.attach(MAIL)
            val voice = app.adapters.install(Place.adapter("voice"))
            val chat = app.chat()
            assertTrue(chat.respond("Hello", tokens).wholeText().isNotEmpty())
            // A receiver that takes its time keeps the turn going until the kill.
            val killer = object : EventSink {
                override fun onEvent(event: Event): Boolean {
                    if (event is Event.Text) daemon.kill()
                    return true
                }
            }
            val handle = app.generate("The cat", GenerateOptions(maxTokens = 200u), sink = killer)
            val ended = fails<LoamException.Disconnected> { handle.join() }
            assertEquals(40, ended.code().toInt())
            assertTrue("generate" in ended.sentence, ended.sentence)
            fails<LoamException.Disconnected> { app.adapters.list() }
            assertEquals("session", fails<LoamException.Lost> { chat.messages }.what)
            daemon.start()
            assertEquals(listOf(voice.generation), app.adapters.list().map { it.generation })
            assertEquals(43, fails<LoamException.Lost> { chat.respond("Why?", tokens).toList() }.code().toInt())
            assertTrue(app.chat(adapter = voice).respond("Hello", tokens).wholeText().isNotEmpty())
            assertEquals("tiny", engine.foundation.id)
            assertFalse(engine.unload("text"))
            daemon.kill()
            // Nothing is asked of a service that is gone.
            engine.close()
        }
    }

    @Test
    fun `nobody answers`(@TempDir folder: File) {
        val nobody = fails<LoamException.Disconnected> { Engine.connect(folder.resolve("nowhere").path) }
        assertTrue("nowhere" in nobody.sentence, nobody.sentence)
    }

    @Test
    fun `a deadline ends with what there is`(): Unit = runBlocking {
        Place.open().use { engine ->
            val app = engine.attach(MAIL)
            suspend fun reason(deadline: Int): FinishReason? {
                val options = GenerateOptions(maxTokens = 1_000u, patienceMs = 10_000u, deadlineMs = deadline.toULong())
                return try {
                    (app.generate("The cat", options).toList().last() as Event.Done).stats.finishReason
                } catch (_: LoamException.Refused) {
                    // Its turn has not come by then.
                    null
                }
            }
            // The tiny model fills its window in some 20 ms, or in more on a busy machine.
            assertTrue((1..20).any { (1..49).any { deadline -> reason(deadline) == FinishReason.DEADLINE } })
        }
    }

    /** What a [Host] and its client do on Android after Binder has carried a descriptor. */
    @Test
    fun `a host and its client at the ends of a socket pair`(@TempDir folder: File): Unit = runBlocking {
        val host = Host.open(Place.tiny, folder.resolve("state").path)
        val (ours, theirs) = socketPair()
        host.serveFd(theirs, "u10001.$MAIL")
        val engine = Engine.connectFd(ours, MAIL)
        assertTrue(MAIL in fails<LoamException.Argument> { engine.attach("com.example.other") }.sentence)
        val app = engine.attach(MAIL)
        app.adapters.install(Place.adapter("voice"))
        assertTrue(app.chat().respond("Hello", tokens).wholeText().isNotEmpty())
        assertEquals(1, host.connections)
        assertTrue("vision-language" in host.trim(TrimLevel.COMPONENTS).components)
        assertEquals(1, host.status.apps.size)
        host.setQuotas("u10001.$MAIL", Quotas(waiting = 0u))
        assertEquals(0u, host.quotas("u10001.$MAIL").waiting)
        val refused = fails<LoamException.Refused> { app.chat().respond("Hello", tokens).wholeText() }
        assertTrue("requests that wait" in refused.sentence && refused.retryAfterMs > 0u, refused.sentence)
        assertEquals(1uL to 0u, app.usage.let { it.counters.refused to it.quotas?.waiting })
        // An app is not who runs the service.
        fails<LoamException.Refused> { engine.setQuotas(MAIL, Quotas()) }
        fails<LoamException.Refused> { engine.status }
        host.listen(folder.resolve("socket").path)
        // Who it is, is what the host says: the same name at the socket is another app.
        assertTrue(Engine.connect(folder.resolve("socket").path).attach(MAIL).adapters.list().isEmpty())
        host.close()
        host.close()
        fails<LoamException.Disconnected> { app.adapters.list() }
        assertTrue("another one" in fails<LoamException.Disconnected> { app.adapters.list() }.sentence)
        assertEquals("fd", fails<LoamException.Argument> { Engine.connectFd(-1, MAIL) }.name)

        Host.open(Place.tiny, folder.resolve("state").path).use { again ->
            val (mine, other) = socketPair()
            again.serveFd(other, "u10001.$MAIL")
            assertEquals(listOf("voice"), Engine.connectFd(mine, MAIL).attach(MAIL).adapters.list().map { it.alias })
        }
    }

    private interface C : Library {
        fun socketpair(domain: Int, type: Int, protocol: Int, ends: IntArray): Int
    }

    /** Two ends, as Android's `ParcelFileDescriptor.createSocketPair` makes them. */
    private fun socketPair(): Pair<Int, Int> {
        val ends = IntArray(2)
        check(Native.load("c", C::class.java).socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0)
        return ends[0] to ends[1]
    }
}

private const val AF_UNIX = 1
private const val SOCK_STREAM = 1
