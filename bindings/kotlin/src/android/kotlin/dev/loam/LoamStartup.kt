package dev.loam

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.net.Uri

/**
 * Gives the package the app's context as its process begins: the system makes the providers of a manifest before any code of
 * the app runs, and the AAR's manifest has this one. It has no content and lets nobody in.
 *
 * Another process of the app than its first one has none; a [LoamService] watches the device in whichever it runs.
 */
internal class LoamStartup : ContentProvider() {
    override fun onCreate(): Boolean {
        context?.let { Surroundings.process.install(AndroidDevice(it)) }
        return true
    }

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        arguments: Array<String>?,
        order: String?,
    ): Cursor? = null

    override fun getType(uri: Uri): String? = null

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun delete(uri: Uri, selection: String?, arguments: Array<String>?): Int = 0

    override fun update(uri: Uri, values: ContentValues?, selection: String?, arguments: Array<String>?): Int = 0
}
