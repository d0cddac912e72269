/** Microphones and motion on a desk. */
package dev.loam.sample.desktop

import dev.loam.Acceleration
import dev.loam.AngularRate
import dev.loam.Axes
import dev.loam.Gravity
import dev.loam.ImuLayout
import dev.loam.ImuSource
import dev.loam.Motion
import dev.loam.sample.Microphone
import dev.loam.sample.MotionSensor
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import javax.sound.sampled.AudioFormat
import javax.sound.sampled.AudioInputStream
import javax.sound.sampled.AudioSystem
import javax.sound.sampled.LineUnavailableException
import javax.sound.sampled.UnsupportedAudioFileException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn

private const val RATE = 16_000
private const val CHUNK_MS = 100L
private val FORMAT = AudioFormat(RATE.toFloat(), 16, 1, true, false)

/** The machine's own microphone. */
class LineMicrophone : Microphone {
    override val sampleRate = RATE

    override fun chunks(): Flow<ShortArray> = flow {
        val line = try {
            AudioSystem.getTargetDataLine(FORMAT).apply { open(FORMAT) }
        } catch (error: LineUnavailableException) {
            throw IOException(Strings["no_microphone"], error)
        } catch (error: IllegalArgumentException) {
            throw IOException(Strings["no_microphone"], error)
        }
        line.use {
            line.start()
            while (true) emit(AudioInputStream(line).chunk() ?: break)
        }
    }.flowOn(Dispatchers.IO)
}

/** A recording, as fast as it was spoken. */
class WavMicrophone(private val file: File) : Microphone {
    override val sampleRate = RATE

    override fun chunks(): Flow<ShortArray> = flow {
        try {
            AudioSystem.getAudioInputStream(FORMAT, AudioSystem.getAudioInputStream(file)).use { sound ->
                while (true) {
                    emit(sound.chunk() ?: break)
                    delay(CHUNK_MS)
                }
            }
        } catch (error: UnsupportedAudioFileException) {
            throw IOException("$file: ${error.message}", error)
        }
    }.flowOn(Dispatchers.IO)
}

/** The next samples, `null` at the end. */
private fun AudioInputStream.chunk(): ShortArray? {
    val bytes = readNBytes((RATE * CHUNK_MS / 1000 * 2).toInt())
    if (bytes.size < 2) return null
    return ShortArray(bytes.size / 2).also { ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().get(it) }
}

/**
 * Recorded motion, again and again, as fast as it happened: f32 in a file, little-endian, six channels, 50 samples a second,
 * as Android gives them.
 */
class RecordedMotion(private val file: File) : MotionSensor {
    override val source = ImuSource(
        HERTZ, ImuLayout.ACCELEROMETER_GYROSCOPE, Acceleration.METERS_PER_SECOND_SQUARED, AngularRate.RADIANS_PER_SECOND,
        Gravity.INCLUDED, Axes.ANDROID,
    )

    override fun chunks(): Flow<Motion> = flow {
        val bytes = file.readBytes()
        val samples = FloatArray(bytes.size / 4)
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(samples)
        val steps = samples.size / CHANNELS
        var step = 0
        while (steps > 0) {
            val times = DoubleArray(CHUNK) { (step + it) / HERTZ }
            val values = FloatArray(CHUNK * CHANNELS) { samples[(step % steps * CHANNELS + it) % samples.size] }
            emit(Motion(values, times))
            step += CHUNK
            delay((CHUNK * 1000 / HERTZ).toLong())
        }
    }.flowOn(Dispatchers.IO)

    private companion object {
        const val HERTZ = 50.0
        const val CHANNELS = 6
        const val CHUNK = 5
    }
}
