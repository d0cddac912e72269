package dev.loam.sample.desktop

import dev.loam.sample.Phase
import dev.loam.sample.Presenter
import dev.loam.sample.Sample
import dev.loam.sample.isBusy
import java.awt.Robot
import java.io.File
import javax.imageio.ImageIO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.swing.Swing
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout

/** Walks the four screens as a user would, with real work on each, and saves what the display shows. */
class Screenshots(private val window: Window, private val sample: Sample, private val arguments: Arguments) {
    private val robot = Robot()
    private val screens = sample.screens

    suspend fun save(directory: File): Unit = withContext(Dispatchers.Swing) {
        directory.mkdirs()
        // A pointer over a button would change its look.
        robot.mouseMove(0, 0)
        withTimeout(120.seconds) {
            classify(directory)
            dictate(directory)
            sense(directory)
            chat(directory)
        }
    }

    private suspend fun classify(directory: File) {
        window.show(Tab.CLASSIFY)
        arguments.photo?.let { photo ->
            window.classify.classify(photo)
            screens.classify.settled { it.phase }
        }
        window.classify.turnToText()
        window.classify.classify("Shares of the bank fell 3 % in Frankfurt after it cut its forecast for the year.")
        screens.classify.settled { it.phase }
        screens.classify.state.value.adapters.firstOrNull()?.let { adapter ->
            screens.classify.choose(adapter.alias)
            window.classify.classify("Shares of the bank fell 3 % in Frankfurt after it cut its forecast for the year.")
            screens.classify.settled { it.phase }
        }
        save(directory, "classify")
    }

    private suspend fun dictate(directory: File) {
        window.show(Tab.DICTATE)
        window.dictate.press()
        screens.dictate.settled { it.phase }
        save(directory, "dictate")
    }

    private suspend fun sense(directory: File) {
        window.show(Tab.SENSE)
        window.sense.press()
        screens.sense.state.first { it.windows.size >= 6 || it.phase is Phase.Failed }
        save(directory, "sense")
        window.sense.press()
        screens.sense.settled { it.phase }
    }

    private suspend fun chat(directory: File) {
        window.show(Tab.CHAT)
        window.chat.say("Name the capital of France.")
        screens.chat.settled { it.phase }
        window.chat.say("Tell me a short story about a garden.")
        screens.chat.state.first { it.turns.last().text.length > 240 || !it.phase.isBusy }
        window.chat.press()
        screens.chat.settled { it.phase }
        window.chat.say("Thank you! What is the capital of Italy?")
        screens.chat.settled { it.phase }
        save(directory, "chat")
    }

    private suspend fun <S : Any> Presenter<S>.settled(phase: (S) -> Phase) {
        val last = state.first { !phase(it).isBusy }
        val failed = phase(last) as? Phase.Failed ?: return
        System.err.println("screenshots: ${failed.failure.reason}")
    }

    private suspend fun save(directory: File, name: String) {
        // The display shows what was drawn a moment later.
        delay(400.milliseconds)
        val picture = withContext(Dispatchers.IO) {
            robot.waitForIdle()
            robot.createScreenCapture(window.bounds)
        }
        withContext(Dispatchers.IO) { ImageIO.write(picture, "png", directory.resolve("$name.png")) }
    }
}
