package dev.loam

import android.app.Service
import android.content.ComponentCallbacks2
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Binder
import android.os.IBinder
import android.os.ParcelFileDescriptor
import dev.loam.ffi.LoamException
import java.io.File

/**
 * A bound service that holds one foundation for all apps that bind to it. A subclass says where the foundation is; its manifest
 * says who may bind, by `android:exported` and `android:permission`.
 *
 * Each caller gets one end of a socket pair and is served in the engine's own protocol from then on; Binder carries nothing
 * else. A caller is who Binder says: an app is named by [appOf], whatever name it gives itself. It never sees adapters of
 * another uid. Adapters that apps install are in [state].
 */
public abstract class LoamService : Service() {
    /** One thread opens, and the main thread never waits for it. */
    private val opening = Any()

    @Volatile
    private var host: Host? = null

    @Volatile
    private var destroyed = false

    /** How the foundation is opened. */
    protected open val options: EngineOptions get() = EngineOptions()

    /** The folder for the adapters of all apps; `loam-service` among the app's own files unless a subclass says otherwise. */
    protected open val state: File get() = File(filesDir, "loam-service")

    /**
     * The path of the foundation, such as `AppFiles(this).asset("foundation")` gives. Asked once, on a thread of Binder, by the
     * first app that connects: it may take its time.
     */
    protected abstract fun foundation(): String

    private val connections = object : ILoam.Stub() {
        override fun connect(): ParcelFileDescriptor {
            // Before anything else: on this thread it is the caller's for the length of this call.
            val app = appOf(Binder.getCallingUid(), packageManager)
            val (served, given) = ParcelFileDescriptor.createSocketPair()
            try {
                open().serveFd(served.detachFd(), app)
                return given
            } catch (error: Throwable) {
                served.close()
                given.close()
                // Binder carries a few kinds of exceptions, and ours is none of them.
                throw if (error is LoamException) IllegalStateException("${error.code()}: ${error.sentence}") else error
            }
        }
    }

    private fun open(): Host = synchronized(opening) {
        // Also in a process of its own, where no provider has done it.
        Surroundings.process.install(AndroidDevice(this))
        val opened = host ?: Host.openBlocking(foundation(), state.path, options).also { host = it }
        // Looked at afterwards: whoever ends the service closes what is there by then.
        if (destroyed) {
            opened.close()
            error("the service has ended")
        }
        opened
    }

    override fun onBind(intent: Intent?): IBinder = connections

    /** Gives memory back as far as [trimLevel] says. */
    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        trimLevel(level)?.let { host?.trim(it) }
    }

    /** Ends the service: apps that are connected see [LoamException.Disconnected]. */
    override fun onDestroy() {
        destroyed = true
        host?.close()
        super.onDestroy()
    }
}

/**
 * The name of the app that has this [uid], in the engine and on disk: the uid, which is who it is, and the system's name for it,
 * which is the package or, for several packages that share a uid, the name that they share. Those packages are one app.
 * Uninstalling and installing an app again gives it another uid, and none of the adapters of before.
 */
internal fun appOf(uid: Int, packages: PackageManager): String = appName(uid, packages.getNameForUid(uid))

/** [name] as the package manager gives it: `package`, or `shared name:uid`; `null` where it is not visible. */
internal fun appName(uid: Int, name: String?): String =
    listOfNotNull("u$uid", name?.substringBefore(':')?.takeIf { it.isNotEmpty() }).joinToString(".")

/** How much is given back at a level of [ComponentCallbacks2]; `null` for one that asks for nothing. */
@Suppress("DEPRECATION")
internal fun trimLevel(level: Int): TrimLevel? = when {
    level >= ComponentCallbacks2.TRIM_MEMORY_COMPLETE -> TrimLevel.COMPONENTS
    level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND -> TrimLevel.IDLE
    // A service has no screen to hide: other processes' screens are none of its business.
    level >= ComponentCallbacks2.TRIM_MEMORY_UI_HIDDEN -> null
    level >= ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL -> TrimLevel.COMPONENTS
    level >= ComponentCallbacks2.TRIM_MEMORY_RUNNING_LOW -> TrimLevel.IDLE
    level >= ComponentCallbacks2.TRIM_MEMORY_RUNNING_MODERATE -> TrimLevel.PREFIXES
    else -> null
}
