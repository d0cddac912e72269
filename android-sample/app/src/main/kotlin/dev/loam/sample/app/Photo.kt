package dev.loam.sample.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import java.io.IOException
import java.io.InputStream
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/** Photos of other apps. */
object Photo {
    /** Models look at a few hundred pixels a side; more would only cost memory. */
    private const val LONGEST = 1024

    /** The picture behind [uri], upright, at most some thousand pixels a side. Throws [IOException] where there is none. */
    suspend fun read(context: Context, uri: Uri): Bitmap = withContext(Dispatchers.IO) {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        context.open(uri) { BitmapFactory.decodeStream(it, null, bounds) }
        val scale = BitmapFactory.Options()
        while (maxOf(bounds.outWidth, bounds.outHeight) / (scale.inSampleSize.coerceAtLeast(1) * 2) >= LONGEST) {
            scale.inSampleSize = scale.inSampleSize.coerceAtLeast(1) * 2
        }
        val bitmap = context.open(uri) { BitmapFactory.decodeStream(it, null, scale) }
            ?: throw IOException(context.getString(R.string.no_picture))
        bitmap.turned(context.open(uri) { angle(it) })
    }

    private fun <T> Context.open(uri: Uri, read: (InputStream) -> T): T = try {
        (contentResolver.openInputStream(uri) ?: throw IOException(getString(R.string.no_picture))).use(read)
    } catch (error: SecurityException) {
        throw IOException(getString(R.string.no_picture), error)
    }

    /** Cameras store how they were held, in degrees clockwise. */
    private fun angle(photo: InputStream): Float = try {
        when (ExifInterface(photo).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)) {
            ExifInterface.ORIENTATION_ROTATE_90 -> 90f
            ExifInterface.ORIENTATION_ROTATE_180 -> 180f
            ExifInterface.ORIENTATION_ROTATE_270 -> 270f
            else -> 0f
        }
    } catch (_: IOException) {
        0f
    }

    private fun Bitmap.turned(degrees: Float): Bitmap =
        if (degrees == 0f) this
        else Bitmap.createBitmap(this, 0, 0, width, height, Matrix().apply { setRotate(degrees) }, true)
}
