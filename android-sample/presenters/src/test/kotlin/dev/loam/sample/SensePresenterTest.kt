package dev.loam.sample

import dev.loam.Motion
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class SensePresenterTest {
    @Test
    fun `windows of a walk, every half second`() = onScreens {
        val screen = screens.sense
        assertEquals(listOf("tilt"), screen.state.value.adapters.map { it.alias })
        assertEquals("tilt", screen.state.value.adapter, "the first one is chosen")
        screen.start(Walk())
        val state = screen.await { !it.phase.isBusy }
        assertEquals(Phase.Idle, state.phase)
        assertEquals(listOf(0.0, 0.5, 1.0, 1.5, 2.0), state.windows.map { it.start })
        assertEquals(listOf(1.0, 1.5, 2.0, 2.5, 3.0), state.windows.map { it.end })
        assertEquals(List(5) { "running" }, state.windows.map { it.activity })
        assertEquals(listOf("running", "walking", "sitting"), state.scores.map { it.label })
        assertEquals(160, state.acceleration.size)
        assertTrue(state.acceleration.all { it in 5f..20f }, "near to gravity")
        assertEquals(3, state.facts.path)
        assertEquals(listOf("imu"), state.facts.components)
        assertEquals("tilt", state.facts.adapter)
        assertTrue(state.facts.latencyMs!! > 0)
        assertTrue(state.facts.memory!!.anonymous > 0u)
    }

    @Test
    fun `a gap begins a new stream`() = onScreens {
        screens.sense.start(Walk { step -> step / 50.0 + if (step < 80) 0.0 else 60.0 })
        val state = screens.sense.await { !it.phase.isBusy }
        assertEquals(Phase.Idle, state.phase)
        assertTrue(state.windows.size >= 3, state.windows.toString())
        assertTrue(state.windows.any { it.end <= 1.6 } && state.windows.any { it.start >= 61.5 }, state.windows.toString())
    }

    @Test
    fun `it feels until it is stopped`() = onScreens {
        val walk = Walk()
        val endless = object : MotionSensor {
            override val source = walk.source

            override fun chunks(): Flow<Motion> = flow {
                var turn = 0
                while (true) {
                    val offset = 3.2 * turn++
                    walk.chunks().collect { chunk ->
                        emit(Motion(chunk.samples, chunk.timestamps.map { it + offset }.toDoubleArray()))
                        delay(5)
                    }
                }
            }
        }
        val screen = screens.sense
        screen.start(endless)
        val running = screen.await { it.windows.size == SensePresenter.SHOWN_WINDOWS && it.windows.first().start > 2 }
        assertEquals(SensePresenter.SHOWN_SAMPLES, running.acceleration.size)
        screen.stop()
        assertEquals(Phase.Idle, screen.await { !it.phase.isBusy }.phase)
    }

    @Test
    fun `no adapter, no activity`() = onScreens {
        screens.sense.choose(null)
        screens.sense.start(Walk())
        val failure = (screens.sense.await { !it.phase.isBusy }.phase as Phase.Failed).failure
        assertTrue(failure.code in 1..14 && failure.reason.isNotBlank(), failure.toString())
    }
}
