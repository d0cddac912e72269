package dev.loam

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flow

/** What the README says is given. What a snippet prints is kept. */
class Given(val app: App, val activity: Adapter, val socket: String) {
    private val text = StringBuilder()

    val saved: String = File(socket).resolveSibling("chat").path

    val printed: String get() = text.toString()

    val foundation: String = Place.tiny
    val photo: File = Place.file("square.png")
    val pictures: List<File> = listOf("square.png", "tall.png", "wide.png").map(Place::file)
    val recording: File = Place.file("speech.wav")
    val voicePath: String = Place.adapter("voice")

    val microphone: Flow<ShortArray> = flow {
        val samples = ByteBuffer.wrap(recording.readBytes()).order(ByteOrder.LITTLE_ENDIAN).position(44).slice()
        val shorts = samples.order(ByteOrder.LITTLE_ENDIAN).asShortBuffer()
        while (shorts.hasRemaining()) emit(ShortArray(minOf(1600, shorts.remaining())).also(shorts::get))
    }

    val motion: Flow<Motion> = run {
        val bytes = ByteBuffer.wrap(Place.file("walk.f32").readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        val values = FloatArray(bytes.remaining() / 4).also { bytes.asFloatBuffer().get(it) }
        values.toList().chunked(60) { Motion(it.toFloatArray()) }.asFlow()
    }

    fun print(value: Any?) {
        text.append(value)
    }

    @Synchronized
    fun println(value: Any?) {
        text.append(value).append('\n')
    }
}
