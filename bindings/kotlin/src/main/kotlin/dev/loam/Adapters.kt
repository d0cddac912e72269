package dev.loam

import dev.loam.ffi.InstallPolicy
import java.io.File
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.withContext

/** The adapters of one app. Other apps neither see nor replace them. */
public class Adapters internal constructor(
    private val app: dev.loam.ffi.App,
    private val blocking: CoroutineDispatcher,
) {
    /**
     * Installs an adapter from a package file or a PEFT directory and returns its new generation. Reads and checks the file
     * on another thread.
     *
     * Throws [dev.loam.ffi.LoamException.Adapter] for one that does not fit the foundation, a [policy] that forbids it or a
     * limit.
     *
     * @param alias the name to call it by: the file's, without its extension, if none is given.
     */
    public suspend fun install(
        path: String,
        alias: String = File(path).nameWithoutExtension,
        policy: InstallPolicy = InstallPolicy.Create,
    ): Adapter = withContext(blocking) { Adapter(app.installAdapter(alias, path, policy)) }

    /** The current generation. Throws [dev.loam.ffi.LoamException.UnknownAdapter]. */
    public operator fun get(alias: String): Adapter = Adapter(app.adapter(alias))

    /** All of them, by alias. */
    public fun list(): List<Adapter> = app.adapters().map(::Adapter)

    /** Removes one; what runs with it goes on. Throws [dev.loam.ffi.LoamException.UnknownAdapter]. */
    public fun remove(alias: String): Unit = app.removeAdapter(alias)
}
