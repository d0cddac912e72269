package dev.loam

import dev.loam.ffi.LoamException
import java.io.File

/** A `loamd` of its own, as cargo built it, on the tiny foundation. It may be killed and started again. */
class Daemon(folder: File) : AutoCloseable {
    val socket: String = folder.resolve("socket").path
    private val state = folder.resolve("state").path
    private var process: Process? = null

    init {
        start()
    }

    fun start() {
        val command = listOf(Place.loamd, "--foundation", Place.tiny, "--socket", socket, "--state", state)
        val builder = ProcessBuilder(command).inheritIO()
        builder.environment()["LOAM_LOG"] = "off"
        process = builder.start()
        val deadline = System.nanoTime() + 20_000_000_000
        while (true) {
            try {
                return Engine.connectBlocking(socket).close()
            } catch (error: LoamException.Disconnected) {
                if (System.nanoTime() > deadline) throw error
                Thread.sleep(5)
            }
        }
    }

    /** As a crash ends it. */
    fun kill() {
        process?.destroyForcibly()?.waitFor()
        process = null
    }

    override fun close() = kill()
}
