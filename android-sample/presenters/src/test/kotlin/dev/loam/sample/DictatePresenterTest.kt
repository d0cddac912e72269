package dev.loam.sample

import dev.loam.Input
import dev.loam.Pace
import dev.loam.TranscribeOptions
import java.io.IOException
import kotlinx.coroutines.flow.flow
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class DictatePresenterTest {
    private val speech = Recording.of(Here.scenarios.resolve("speech.wav"))

    @Test
    fun `what is heard chunk by chunk is the text of the recording`() = onScreens {
        val whole = OpenFoundation.open(Here.tiny).use {
            it.app.transcribe(Input.pcm(speech, 16_000), TranscribeOptions(pace = Pace.LIVE)).text
        }
        assertTrue(whole.length > 20, whole)

        screens.dictate.start(Recording(speech))
        assertEquals(Phase.Running, screens.dictate.state.value.phase)
        val state = screens.dictate.await { !it.phase.isBusy }
        assertEquals(Phase.Idle, state.phase)
        assertEquals(whole, state.text)
        assertEquals("", state.partial)
        assertEquals(3.0, state.seconds, 1e-9)
        assertEquals(0f, state.level)
        assertEquals(3, state.facts.path)
        assertEquals(listOf("speech"), state.facts.components)
        assertTrue(state.facts.latencyMs!! > 0)
        assertTrue((state.facts.speed as Speed.RealTime).factor > 0)
        assertTrue(state.facts.memory!!.anonymous > 0u)
    }

    @Test
    fun `text and loudness come while it listens, and stopping works off the rest`() = onScreens {
        val screen = screens.dictate
        screen.start(Loop(speech))
        screen.await { it.level > 0.3f }
        screen.await { it.partial.isNotEmpty() || it.text.isNotEmpty() }
        screen.stop()
        assertEquals(Phase.Finishing, screen.state.value.phase)
        screen.stop()
        val state = screen.await { !it.phase.isBusy }
        assertEquals(Phase.Idle, state.phase)
        assertTrue(state.text.isNotEmpty())
        assertEquals(0f, state.level)

        screen.start(Recording(speech))
        assertEquals("", screen.state.value.text, "a new text begins")
        screen.await { !it.phase.isBusy }
    }

    @Test
    fun `stopping before a sound was heard is told, and so is a microphone that fails`() = onScreens {
        val screen = screens.dictate
        screen.start(Recording(ShortArray(0)))
        assertEquals(2, (screen.await { !it.phase.isBusy }.phase as Phase.Failed).failure.code)

        screen.start(Recording(speech, sampleRate = 100))
        assertEquals(2, (screen.await { !it.phase.isBusy }.phase as Phase.Failed).failure.code)

        screen.start(
            object : Microphone {
                override val sampleRate = 16_000

                override fun chunks() = flow {
                    emit(ShortArray(1600))
                    throw IOException("unplugged")
                }
            },
        )
        assertEquals(Failure("unplugged", 3), (screen.await { !it.phase.isBusy }.phase as Phase.Failed).failure)
    }

    @Test
    fun `a foundation that does not hear says so`() = onScreens(Places(Place(Here.nano().foundation.resolve("text")))) {
        screens.dictate.start(Recording(speech))
        val failure = (screens.dictate.await { !it.phase.isBusy }.phase as Phase.Failed).failure
        assertTrue(failure.code == 11 || failure.code == 5, failure.toString())
    }
}
