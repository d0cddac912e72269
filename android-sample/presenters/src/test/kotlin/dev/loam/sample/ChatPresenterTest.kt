package dev.loam.sample

import dev.loam.GenerateOptions
import dev.loam.wholeText
import kotlinx.coroutines.delay
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ChatPresenterTest {
    private suspend fun ChatPresenter.done() = await { !it.phase.isBusy }

    @Test
    fun `an answer streams in and is what the engine says`() = onScreens {
        val screen = screens.chat
        val expected = OpenFoundation.open(Here.tiny).use {
            it.app.chat().respond("Hello", GenerateOptions(maxTokens = 256u)).wholeText()
        }
        screen.send("  Hello ")
        assertEquals(
            listOf(Turn(Speaker.USER, "Hello"), Turn(Speaker.MODEL, "", Ending.STREAMING)),
            screen.state.value.turns,
        )
        val middle = screen.await { it.turns.last().text.isNotEmpty() }
        assertTrue(expected.startsWith(middle.turns.last().text))
        assertTrue(middle.facts.latencyMs!! > 0)

        val state = screen.done()
        assertEquals(Phase.Idle, state.phase)
        assertEquals(expected, state.turns.last().text)
        assertTrue(state.turns.last().ending in listOf(Ending.COMPLETE, Ending.CUT))
        assertEquals(2, state.facts.path)
        assertEquals(null, state.facts.adapter)
        assertEquals(middle.facts.latencyMs, state.facts.latencyMs, "the time to the first text stays")
        assertTrue((state.facts.speed as Speed.Tokens).perSecond > 0)
        assertTrue(state.facts.memory!!.anonymous > 0u)
    }

    @Test
    fun `stopping in the middle leaves the engine idle and the session free`() = onScreens {
        val screen = screens.chat
        var stopped = 0
        repeat(20) { round ->
            screen.clear()
            screen.send("Hello")
            // The last one leaves room in the window for another turn.
            if (round in 1..18) screen.await { it.turns.last().text.length > round }
            screen.stop()
            val state = screen.done()
            assertEquals(Phase.Idle, state.phase)
            // Tiny models say all that they may in a tenth of a second; on a busy machine some are through by then.
            if (state.turns.last().ending == Ending.STOPPED) stopped += 1
            else assertEquals(Ending.CUT, state.turns.last().ending)
            while (activeStreams > 0) delay(1)
        }
        assertTrue(stopped >= 5, "$stopped of 20 were stopped")
        screen.send("Why?")
        val state = screen.done()
        assertEquals(listOf("Hello", "Why?"), state.turns.filter { it.speaker == Speaker.USER }.map { it.text })
        assertTrue(state.turns.last().text.isNotEmpty())
        assertTrue(state.turns.last().ending != Ending.STOPPED)
    }

    @Test
    fun `an adapter begins the conversation anew and is named by it`() = onScreens {
        val screen = screens.chat
        assertEquals(listOf(AdapterChoice("voice", "Another voice.")), screen.state.value.adapters)
        screen.send("Hello")
        val bare = screen.done().turns.last().text
        screen.choose("voice")
        assertEquals(emptyList<Turn>(), screen.state.value.turns)
        screen.send("Hello")
        screen.choose(null)
        val state = screen.done()
        assertEquals("voice", state.adapter, "not changed while it answers")
        assertEquals("voice", state.facts.adapter)
        assertTrue(state.turns.last().text != bare)
    }

    @Test
    fun `what does not fit is told, and the conversation goes on`() = onScreens {
        val screen = screens.chat
        screen.send(" ")
        assertEquals(ChatState(adapters = screen.state.value.adapters), screen.state.value)
        screen.send("word ".repeat(20_000))
        val state = screen.done()
        assertEquals(10, (state.phase as Phase.Failed).failure.code)
        assertEquals(emptyList<Turn>(), state.turns)
        screen.send("Hello")
        assertEquals(Phase.Idle, screen.done().phase)
    }

    @Test
    fun `the real foundation knows Paris, and an adapter writes commands`() = onScreens(Places(Here.nano())) {
        val screen = screens.chat
        screen.send("Name the capital of France.")
        val state = screen.done()
        assertEquals("The capital of France is Paris.", state.turns.last().text)
        assertEquals(Ending.COMPLETE, state.turns.last().ending)
        assertEquals(listOf("backbone"), state.facts.components)

        assertEquals(listOf("brief", "explain", "python", "reader", "reply", "shell"), state.adapters.map { it.alias }, "not those with labels")
        screen.clear()
        screen.send("List all files")
        val prose = screen.done().turns.last().text
        screen.choose("shell")
        screen.send("List all files")
        val command = screen.done()
        assertEquals("shell", command.facts.adapter)
        // What it writes is often wrong, but it is one line and no prose.
        assertTrue(command.turns.last().text.trim().matches(Regex("\\S.{1,60}")), command.turns.last().text)
        assertTrue(prose.length > 2 * command.turns.last().text.length, prose)
    }
}
