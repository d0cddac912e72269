package dev.loam.sample.app

import android.app.Application
import dev.loam.AppFiles
import dev.loam.LogLevel
import dev.loam.logToPlatform
import dev.loam.sample.OpeningPresenter
import dev.loam.sample.Place
import dev.loam.sample.Places
import java.io.File
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.withContext

/** Holds what outlives the activity: the foundation and the presenters. */
class SampleApplication : Application() {
    private val scope = MainScope()

    /** Opens the foundation once per process. */
    val opening: OpeningPresenter by lazy { OpeningPresenter(shared.path, scope, ::find) }

    /** The app's own folder that `adb push` can write to. */
    private val shared: File get() = File(getExternalFilesDir(null) ?: filesDir, FOUNDATION)

    override fun onCreate() {
        super.onCreate()
        logToPlatform(LogLevel.INFO)
    }

    /** In the folder that is shared with `adb`, in the app's private files, or in its assets, in this order. */
    private suspend fun find(): Places? = withContext(Dispatchers.IO) {
        val foundation = listOf(shared, File(filesDir, FOUNDATION)).find { it.exists() } ?: asset(FOUNDATION)
        foundation?.let { Places(Place(it, File(it.parentFile, ADAPTERS).takeIf(File::exists) ?: asset(ADAPTERS))) }
    }

    private suspend fun asset(name: String): File? =
        if (assets.list(name).isNullOrEmpty()) null else File(AppFiles(this).asset(name))

    private companion object {
        const val FOUNDATION = "foundation"
        const val ADAPTERS = "adapters"
    }
}
