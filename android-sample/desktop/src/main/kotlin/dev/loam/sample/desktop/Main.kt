package dev.loam.sample.desktop

import dev.loam.ffi.LoamException
import dev.loam.sample.Sample
import java.awt.GraphicsEnvironment
import javax.swing.JFrame
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.swing.Swing
import kotlinx.coroutines.withContext

fun main(words: Array<String>) {
    val arguments = try {
        Arguments.parse(words.toList())
    } catch (error: IllegalArgumentException) {
        fail("${error.message}\n${Arguments.USAGE}")
    }
    if (GraphicsEnvironment.isHeadless()) fail("there is no display: xvfb-run starts one")
    try {
        runBlocking { run(arguments) }
    } catch (error: LoamException) {
        fail(error.message ?: error.toString())
    }
}

private suspend fun run(arguments: Arguments) {
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Swing)
    val sample = Sample.open(arguments.places, scope)
    val window = withContext(Dispatchers.Swing) {
        Theme.apply()
        JFrame.setDefaultLookAndFeelDecorated(true)
        val microphone = { arguments.speech?.let(::WavMicrophone) ?: LineMicrophone() }
        Window(sample, microphone, { RecordedMotion(arguments.motion) }, scope).apply { isVisible = true }
    }
    if (arguments.screenshots != null) {
        Screenshots(window, sample, arguments).save(arguments.screenshots)
        exitProcess(0)
    }
}

private fun fail(message: String): Nothing {
    System.err.println(message)
    exitProcess(2)
}
