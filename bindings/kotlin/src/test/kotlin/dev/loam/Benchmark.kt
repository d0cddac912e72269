/** What crossing into the engine and back costs. Prints a Markdown table; `bench.sh` runs it. */
package dev.loam

import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import java.nio.ByteBuffer
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.runBlocking

private const val MEBIBYTE = 1 shl 20
private const val ROUNDS = 9

/** Microseconds of one call: the best round, since other programs only ever add to it. */
private inline fun microseconds(calls: Int, act: () -> Unit): Double {
    repeat(calls) { act() }
    var best = Double.MAX_VALUE
    repeat(ROUNDS) {
        val begin = System.nanoTime()
        repeat(calls) { act() }
        best = minOf(best, (System.nanoTime() - begin) / 1e3 / calls)
    }
    return best
}

private fun row(what: String, microseconds: Double) = println("| %s | %.1f |".format(what, microseconds))

fun main() = runBlocking {
    Place.open().use { engine ->
        val app = engine.attach("com.example.bench")
        println("| Kotlin, JVM ${System.getProperty("java.version")}, ${System.getProperty("os.arch")} | us |")
        println("|---|---|")
        row("`version()`: a call that gives a text", microseconds(5_000) { version() })
        row("`app.id`: the same of an object", microseconds(5_000) { app.id })
        row("`engine.activeStreams`: one that gives a number", microseconds(5_000) { engine.activeStreams })
        row("`engine.foundation`: a record with seven records", microseconds(2_000) { engine.foundation })
        inputs()
        results(app)
        events(app)
    }
}

private fun inputs() {
    val shorts = ShortArray(MEBIBYTE / 2) { it.toShort() }
    val floats = FloatArray(MEBIBYTE / 4) { (it % 100) / 100f }
    val bytes = ByteArray(MEBIBYTE)
    val direct = ByteBuffer.allocateDirect(MEBIBYTE)
    val packed = Packed()
    row("1 MiB of floats into memory that the engine borrows", microseconds(50) { packed.of(floats) })
    row("`Input.pcm`, 1 MiB of shorts", microseconds(20) { Input.pcm(shorts, 16_000).close() })
    row("`Input.pcm`, 1 MiB of floats", microseconds(20) { Input.pcm(floats, 16_000).close() })
    row("`Input.pixels`, 1 MiB of RGBA in an array", microseconds(20) { Input.pixels(bytes, PixelLayout.RGBA, 512, 512).close() })
    row("`Input.pixels`, 1 MiB of RGBA in a direct buffer", microseconds(20) { Input.pixels(direct, PixelLayout.RGBA, 512, 512).close() })
    Index().use { index ->
        val vector = FloatArray(MEBIBYTE / 4) { 1f }
        row("`index.insert`, a vector of 1 MiB", microseconds(20) { index.insert("one", vector) })
    }
}

private fun results(app: App) {
    val embedding = runBlocking { app.embed(Input.text("two cats on a mat")) }
    val large = Embedding(ByteArray(384 * 4), embedding.trace)
    row("`embedding.toFloatArray()`, 384 values", microseconds(5_000) { large.toFloatArray() })
    val text = Input.text("two cats on a mat")
    row("`app.embed`, tiny model, blocking", microseconds(200) { text.lent.to { app.ffi.embed(it, null, null) } })
    row("`app.embed`, tiny model, suspending", microseconds(200) { runBlocking { app.embed(text) } })
    row("`app.adapters[...]` of an unknown name: an exception", microseconds(1_000) {
        runCatching { app.adapters["absent"] }
    })
}

/** Time per event, which includes the tiny model's own token: an upper bound of what the crossing costs. */
private fun events(app: App) {
    val options = GenerateOptions(maxTokens = 200u)
    val counting = Counter()
    val attaching = microsecondsPerEvent(counting) { app.ffi.generate("The cat", options, null, counting) }
    val attached = microsecondsPerEvent(counting) { app.generate("The cat", options, sink = counting) }
    row("a text event to a sink, the tiny model's token included", attached)
    row("the same where JNA attaches the thread each time", attaching)
    val perStream = counting.events
    var flows = Double.MAX_VALUE
    var alone = Double.MAX_VALUE
    repeat(2 * ROUNDS) {
        var begin = System.nanoTime()
        runBlocking { app.generate("The cat", options).collect() }
        flows = minOf(flows, (System.nanoTime() - begin) / 1e3 / perStream)
        begin = System.nanoTime()
        app.generate("The cat", GenerateOptions(maxTokens = 1u), sink = counting).join()
        alone = minOf(alone, (System.nanoTime() - begin) / 1e3)
    }
    row("a text event through a flow, the token included", flows)
    row("a whole stream of one token", alone)
}

private class Counter : EventSink {
    var events = 0

    override fun onEvent(event: Event): Boolean {
        events += 1
        return true
    }
}

private inline fun microsecondsPerEvent(counter: Counter, start: () -> TaskHandle): Double {
    var best = Double.MAX_VALUE
    repeat(2 * ROUNDS) {
        counter.events = 0
        val begin = System.nanoTime()
        start().join()
        best = minOf(best, (System.nanoTime() - begin) / 1e3 / counter.events)
    }
    return best
}
