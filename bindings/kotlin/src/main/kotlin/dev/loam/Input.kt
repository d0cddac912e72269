package dev.loam

import dev.loam.ffi.PcmFormat
import dev.loam.ffi.Repair
import java.io.File
import java.nio.ByteBuffer
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/**
 * One input of a task: text, a picture, sound or motion.
 *
 * It can be used any number of times, from any thread. Its memory lies outside of the heap and goes when it is closed or no
 * longer reached; close large ones that come at a high rate, such as frames of a camera.
 *
 * Failures are [dev.loam.ffi.LoamException]s: `Argument` for a value out of range, `Io`, `Malformed` and `Unsupported` for
 * files.
 */
public class Input internal constructor(ffi: dev.loam.ffi.Input) : AutoCloseable {
    internal val lent = Lent(ffi, "an input")

    /** Its kind, for messages. */
    public val kind: String get() = lent.to { it.kind() }

    override fun close(): Unit = lent.close()

    public companion object {
        /** Written language. */
        public fun text(text: String): Input = Input(dev.loam.ffi.Input.text(text))

        /** A picture in a PNG, JPEG or WebP file, which is read and decoded on another thread. */
        public suspend fun image(path: String): Input =
            withContext(Dispatchers.IO) { Input(dev.loam.ffi.Input.imageFile(path)) }

        /** As the other [image]. */
        public suspend fun image(file: File): Input = image(file.path)

        /** A picture as the bytes of a PNG, JPEG or WebP file, which are decoded on another thread. */
        public suspend fun image(bytes: ByteArray): Input =
            withContext(Dispatchers.IO) { Packed().of(bytes).lend { Input(dev.loam.ffi.Input.encodedImage(it)) } }

        /**
         * A picture of 8-bit pixels, row by row from the top left, without gaps between rows: [width] x [height] times 1, 3
         * or 4 bytes. They are copied; a direct buffer once, others twice.
         */
        public fun pixels(pixels: ByteBuffer, layout: PixelLayout, width: Int, height: Int): Input =
            Packed().of(pixels).lend {
                Input(dev.loam.ffi.Input.pixels(it, layout, unsigned("width", width), unsigned("height", height)))
            }

        /** As the other [pixels]. */
        public fun pixels(pixels: ByteArray, layout: PixelLayout, width: Int, height: Int): Input =
            pixels(Packed().of(pixels), layout, width, height)

        /** Sound as interleaved 16-bit samples at [sampleRate] Hz, 4000 to 192000; channels are mixed to one. */
        public fun pcm(samples: ShortArray, sampleRate: Int, channels: Int = 1): Input =
            pcm(Packed().of(samples), PcmFormat.I16, sampleRate, channels)

        /** Sound as interleaved samples in -1 to 1 at [sampleRate] Hz, 4000 to 192000; channels are mixed to one. */
        public fun pcm(samples: FloatArray, sampleRate: Int, channels: Int = 1): Input =
            pcm(Packed().of(samples), PcmFormat.F32, sampleRate, channels)

        /** Sound in a WAV file, which is read on another thread. */
        public suspend fun wav(path: String): Input =
            withContext(Dispatchers.IO) { Input(dev.loam.ffi.Input.wavFile(path)) }

        /** As the other [wav]. */
        public suspend fun wav(file: File): Input = wav(file.path)

        /**
         * Motion: [samples] one after another in the order of the source's layout, at least two, and the time of each in
         * seconds, or no time where they are evenly spaced.
         */
        public fun motion(
            samples: FloatArray,
            source: ImuSource,
            timestamps: DoubleArray = DoubleArray(0),
            repair: Repair = Repair.Refuse,
        ): Input =
            Packed().of(samples).lend { values ->
                Packed().of(timestamps).lend { times -> Input(dev.loam.ffi.Input.motion(values, times, source, repair)) }
            }

        private fun pcm(samples: ByteBuffer, format: PcmFormat, sampleRate: Int, channels: Int): Input {
            val count = unsigned("channels", channels).coerceAtMost(UShort.MAX_VALUE.toUInt()).toUShort()
            return samples.lend { Input(dev.loam.ffi.Input.pcm(it, format, unsigned("sampleRate", sampleRate), count)) }
        }
    }
}

/** Kotlin's own counts are signed, the engine's are not. */
internal fun unsigned(name: String, value: Int): UInt {
    if (value < 0) throw dev.loam.ffi.LoamException.Argument(name, "invalid $name: $value, which is negative")
    return value.toUInt()
}
