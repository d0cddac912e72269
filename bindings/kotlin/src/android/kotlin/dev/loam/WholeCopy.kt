package dev.loam

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.InputStream

/**
 * Copies [from] to [to], whole or not at all: a reader sees the old file or the new one, also after a power cut. Weights are
 * mapped into memory, so a file that is in use must be replaced and never written to.
 */
internal fun copyWhole(from: InputStream, to: File) {
    val folder = to.absoluteFile.parentFile ?: throw IOException("$to has no folder")
    if (!folder.isDirectory && !folder.mkdirs()) throw IOException("$folder cannot be made")
    val partial = File.createTempFile(to.name, ".partial", folder)
    try {
        FileOutputStream(partial).use { out ->
            from.copyTo(out, BUFFER)
            out.fd.sync()
        }
        if (!partial.renameTo(to)) throw IOException("$partial cannot become $to")
    } finally {
        // Gone already unless something failed.
        partial.delete()
    }
}

/** Large, since each read of a compressed asset has a price of its own. */
private const val BUFFER = 1 shl 17
