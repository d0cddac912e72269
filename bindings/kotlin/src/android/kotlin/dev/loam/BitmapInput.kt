package dev.loam

import android.graphics.Bitmap
import java.nio.ByteBuffer
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/**
 * A picture as Android holds it. Its pixels are copied on another thread: a millisecond per megapixel, more for a bitmap that
 * is not `ARGB_8888`, which is converted first. The bitmap may be recycled afterwards.
 *
 * Where a bitmap is translucent its colours are premultiplied, so it looks as if it lay on black.
 */
public suspend fun Input.Companion.image(bitmap: Bitmap): Input = withContext(Dispatchers.Default) {
    val plain = if (bitmap.config == Bitmap.Config.ARGB_8888) bitmap else bitmap.copy(Bitmap.Config.ARGB_8888, false)
    val rows = ByteBuffer.allocateDirect(plain.rowBytes * plain.height)
    plain.copyPixelsToBuffer(rows)
    if (plain !== bitmap) plain.recycle()
    (rows as java.nio.Buffer).rewind()
    // The bytes of ARGB_8888 lie in memory as red, green, blue, alpha.
    pixels(tight(rows, plain.rowBytes, BYTES * bitmap.width, bitmap.height), PixelLayout.RGBA, bitmap.width, bitmap.height)
}

/** Of one pixel. */
private const val BYTES = 4

/** Rows without what lies between them: [rows] itself where nothing does. */
internal fun tight(rows: ByteBuffer, stride: Int, width: Int, height: Int): ByteBuffer {
    if (stride == width) return rows
    val pixels = ByteBuffer.allocateDirect(width * height)
    for (row in 0 until height) {
        val one = rows.duplicate() as java.nio.Buffer
        one.limit(row * stride + width)
        one.position(row * stride)
        pixels.put(one as ByteBuffer)
    }
    (pixels as java.nio.Buffer).rewind()
    return pixels
}
