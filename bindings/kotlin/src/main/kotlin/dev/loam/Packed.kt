/**
 * Numbers as the engine takes and gives them: packed, little-endian, in memory outside of the heap on the way in.
 *
 * The engine borrows such memory for the time of a call, so nothing is copied a second time. Lists of numbers would cross
 * value by value, thousands of times slower.
 */
package dev.loam

import dev.loam.ffi.LoamException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Bytes of a pixel. */
private const val RGB = 3

/** The values of an embedding: unit length. Copies them, microseconds. */
public fun Embedding.toFloatArray(): FloatArray = floats(vector)

/** The samples of speech, within -1 to 1. Copies them. */
public fun Speech.toFloatArray(): FloatArray = floats(samples)

/** The pixels as opaque `0xAARRGGBB`, row by row, as `Bitmap.createBitmap(IntArray, ...)` takes them. Copies them. */
public fun Upscaled.toArgb(): IntArray {
    fun colour(at: Int) = pixels[at].toInt() and 0xFF
    return IntArray(pixels.size / RGB) { i ->
        (0xFF shl 24) or (colour(i * RGB) shl 16) or (colour(i * RGB + 1) shl 8) or colour(i * RGB + 2)
    }
}

/** The samples of speech as signed 16-bit values, as most players take them. */
public fun Speech.toShortArray(): ShortArray {
    val values = toFloatArray()
    return ShortArray(values.size) { i -> (values[i].coerceIn(-1f, 1f) * Short.MAX_VALUE).toInt().toShort() }
}

private fun floats(bytes: ByteArray): FloatArray {
    val values = FloatArray(bytes.size / Float.SIZE_BYTES)
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values)
    return values
}

/** Written after each call that borrows memory; a volatile write is neither left out nor moved before the call. */
@Volatile
private var kept: ByteBuffer? = null

/**
 * Runs [call] with the buffer and keeps it reachable until the call is over. Generated code takes the buffer's address and lets
 * go of it: once compiled, the buffer could be collected, and its memory freed, while the engine reads it.
 * (`Reference.reachabilityFence` says the same from Android 9 on; the package runs on Android 7.)
 */
internal inline fun <R> ByteBuffer.lend(call: (ByteBuffer) -> R): R =
    try {
        call(this)
    } finally {
        keep(this)
    }

@PublishedApi
internal fun keep(buffer: ByteBuffer) {
    kept = buffer
    kept = null
}

/** Memory outside of the heap that is used again from call to call, for streams of small chunks. Not safe from threads. */
internal class Packed {
    private var buffer = empty

    fun of(values: FloatArray): ByteBuffer =
        room(bytes(values.size, Float.SIZE_BYTES)).also { it.asFloatBuffer().put(values) }

    fun of(values: ShortArray): ByteBuffer =
        room(bytes(values.size, Short.SIZE_BYTES)).also { it.asShortBuffer().put(values) }

    fun of(values: DoubleArray): ByteBuffer =
        room(bytes(values.size, Double.SIZE_BYTES)).also { it.asDoubleBuffer().put(values) }

    fun of(bytes: ByteArray): ByteBuffer {
        val room = room(bytes.size)
        // Through a view: the buffer's own position says where the engine begins to read.
        room.duplicate().put(bytes)
        return room
    }

    /** [bytes] from its position to its limit; not copied where it lies outside of the heap already. */
    fun of(bytes: ByteBuffer): ByteBuffer {
        // JNA gives the engine the address of a buffer's first byte, whatever its position; a slice begins there.
        if (bytes.isDirect) return bytes.slice()
        val room = room(bytes.remaining())
        room.duplicate().put(bytes.duplicate())
        return room
    }

    private fun room(bytes: Int): ByteBuffer {
        if (buffer.capacity() < bytes) buffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN)
        // Java 8's Android has these two in Buffer alone.
        (buffer as java.nio.Buffer).clear()
        (buffer as java.nio.Buffer).limit(bytes)
        return buffer
    }

    private fun bytes(count: Int, each: Int): Int {
        if (count > Int.MAX_VALUE / each) {
            throw LoamException.Argument("size", "invalid size: $count values of $each bytes, a call takes 2 GiB at most")
        }
        return count * each
    }

    private companion object {
        val empty: ByteBuffer = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN)
    }
}
