package dev.loam

import android.content.Context
import android.net.Uri
import android.os.ParcelFileDescriptor
import java.io.File
import java.io.FileInputStream
import java.io.FileNotFoundException
import java.io.InputStream
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext

/**
 * Files by path for the engine, which maps them into memory: assets, content of other apps and open descriptors have no path,
 * so they are copied once into the app's own files, below `loam/`. All calls work on another thread, about a second per
 * 500 MB, and throw [java.io.IOException] where the system does.
 */
public class AppFiles(context: Context) {
    private val context: Context = context.applicationContext ?: context

    /** Where the copies are. */
    public val folder: File get() = File(context.filesDir, "loam")

    /**
     * The path of an asset's copy, a file or a whole folder such as a foundation. It is copied again only after the app was
     * updated.
     */
    public suspend fun asset(name: String): String = withContext(Dispatchers.IO) {
        val updated = context.packageManager.getPackageInfo(context.packageName, 0).lastUpdateTime
        var found = false
        suspend fun copy(path: String) {
            ensureActive()
            val parts = context.assets.list(path).orEmpty()
            for (part in parts) copy("$path/$part")
            if (parts.isNotEmpty()) return
            found = true
            val to = File(folder, path)
            if (to.lastModified() < updated) context.assets.open(path).use { copyWhole(it, to) }
        }
        copy(name)
        if (!found) throw FileNotFoundException(name)
        File(folder, name).path
    }

    /** The path of a copy of what a file picker or another app gave, under [name]; replaces what was there. */
    public suspend fun content(uri: Uri, name: String): String = keep(name) {
        context.contentResolver.openInputStream(uri) ?: throw FileNotFoundException(uri.toString())
    }

    /** The path of a copy of an open file from its beginning, under [name]; replaces what was there and closes [file]. */
    public suspend fun descriptor(file: ParcelFileDescriptor, name: String): String = keep(name) {
        ParcelFileDescriptor.AutoCloseInputStream(file).also { (it as FileInputStream).channel.position(0) }
    }

    private suspend fun keep(name: String, open: () -> InputStream): String = withContext(Dispatchers.IO) {
        val to = File(folder, name)
        require(to.canonicalPath.startsWith(folder.canonicalPath + File.separator)) { "'$name' leads out of the folder" }
        open().use { copyWhole(it, to) }
        to.path
    }
}
