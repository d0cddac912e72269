package dev.loam.sample

import dev.loam.Input
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ClassifyPresenterTest {
    private fun picture(name: String): suspend () -> Input = { Input.image(Here.scenarios.resolve(name)) }

    private suspend fun ClassifyPresenter.done() = await { !it.phase.isBusy }

    @Test
    fun `a photo gets the label that the engine finds`() = onScreens {
        val screen = screens.classify
        screen.setLabels("cat, dog\n bird,,cat")
        assertEquals(listOf("cat", "dog", "bird"), screen.state.value.labels)
        screen.classify("square.png", picture("square.png"))
        assertEquals(Phase.Running, screen.state.value.phase)
        assertEquals(Subject.PICTURE, screen.state.value.subject)

        val state = screen.done()
        assertEquals(Phase.Idle, state.phase)
        assertEquals("square.png", state.picture)
        assertEquals("cat", state.scores.first().label)
        assertEquals(0.1187f, state.scores.first().probability, 1e-3f)
        assertEquals(3, state.facts.path)
        assertEquals(listOf("image", "text"), state.facts.components)
        assertEquals(null, state.facts.adapter)
        assertTrue(state.facts.latencyMs!! > 0)
        assertTrue(state.facts.memory!!.anonymous > 0u)
    }

    @Test
    fun `a second tap while one runs is not taken`() = onScreens {
        val screen = screens.classify
        screen.setLabels("cat, dog")
        screen.classify("square.png", picture("square.png"))
        screen.classify("a text")
        screen.show(Subject.TEXT)
        val state = screen.done()
        assertEquals(Subject.PICTURE, state.subject)
        assertEquals("square.png", state.picture)
    }

    @Test
    fun `turning to the other subject forgets the result and keeps the labels`() = onScreens {
        val screen = screens.classify
        screen.setLabels("cat, dog")
        screen.classify("square.png", picture("square.png"))
        screen.done()
        screen.show(Subject.TEXT)
        assertEquals(ClassifyState(subject = Subject.TEXT, labels = listOf("cat", "dog")), screen.state.value)
    }

    @Test
    fun `what is wrong is told and does not last`() = onScreens {
        val screen = screens.classify
        screen.classify("square.png", picture("square.png"))
        assertEquals(2, (screen.done().phase as Phase.Failed).failure.code, "no label")

        screen.setLabels("cat, dog")
        screen.classify("walk.f32", picture("walk.f32"))
        val malformed = (screen.done().phase as Phase.Failed).failure
        assertEquals(4, malformed.code)
        assertTrue("what=" !in malformed.reason && malformed.reason.isNotBlank(), malformed.reason)

        screen.classify("none.png", picture("none.png"))
        val missing = (screen.done().phase as Phase.Failed).failure
        assertEquals(3, missing.code)
        assertTrue("none.png" in missing.reason, missing.reason)

        screen.classify("content") { throw java.io.FileNotFoundException("gone") }
        assertEquals(Failure("gone", 3), (screen.done().phase as Phase.Failed).failure)

        screen.classify("square.png", picture("square.png"))
        assertEquals(Phase.Idle, screen.done().phase)
    }

    @Test
    fun `a text on the real foundation, with and without an adapter`() = onScreens(Places(Here.nano(), Here.tiny)) {
        val screen = screens.classify
        screen.setLabels("sports, finance, weather")
        screen.classify("The cup final went to penalties.")
        val bare = screen.done()
        assertEquals("sports", bare.scores.first().label)
        assertEquals(3, bare.facts.path)

        val offered = bare.adapters.map { it.alias }
        assertTrue("intent" in offered && "topic" in offered, offered.toString())
        assertEquals(emptyList<String>(), offered.filter { it in setOf("shell", "vqa", "digits", "falls") }, "not of texts")
        screen.choose("topic")
        screen.classify("Play some jazz in the kitchen.")
        val adapted = screen.done()
        assertEquals("play", adapted.scores.first().label)
        assertEquals(18, adapted.scores.size)
        assertEquals(2, adapted.facts.path)
        assertEquals("topic", adapted.facts.adapter)
        assertTrue(adapted.facts.latencyMs!! > 0)
    }
}
