package dev.loam

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/**
 * One foundation and the apps that use it.
 *
 * Opening maps files and loads nothing; components are loaded when a task needs them. Every call is safe from any thread.
 * Failures are [dev.loam.ffi.LoamException]s; an object that was closed throws [IllegalStateException].
 */
public class Engine private constructor(
    internal val ffi: dev.loam.ffi.Engine,
    private val blocking: CoroutineDispatcher,
) : AutoCloseable {
    /** What is open, and which parts of it are loaded. */
    public val foundation: FoundationInfo get() = ffi.foundation()

    /** Streams that wait or run. A stream counts until a moment after its last event. */
    public val activeStreams: Int get() = ffi.activeStreams().toInt()

    /** Memory of this process, where the system tells. */
    public val memory: ProcessMemory? get() = ffi.memory()

    /**
     * Attaches the app [id], such as `com.example.mail`: letters, digits, `.`, `-` and `_`. Its adapters are its own, and
     * attaching it again gives the same ones.
     */
    public fun attach(id: String): App = App(ffi.attach(id), blocking)

    /** Drops a component, which comes back when it is needed; whether it was loaded. What runs with it goes on. */
    public fun unload(component: String): Boolean = ffi.unload(component)

    /**
     * Drops all components, and with them all memory that counts. Apps and sessions that are still held go on to answer and
     * load again what they need; close them too.
     */
    override fun close() {
        if (ffi.uniffiIsDestroyed) return
        for (component in ffi.foundation().components) {
            if (component.loaded) ffi.unload(component.name)
        }
        ffi.close()
    }

    public companion object {
        /**
         * Opens a foundation directory, a GGUF file or a Hugging Face directory, on another thread: milliseconds, or a
         * second per GB where [options] ask for digests.
         *
         * @param blocking where calls that compute run.
         */
        public suspend fun open(
            path: String,
            options: EngineOptions = EngineOptions(),
            blocking: CoroutineDispatcher = Dispatchers.IO,
        ): Engine = withContext(blocking) { openBlocking(path, options, blocking) }

        /** [open] on the caller's thread, for programs without coroutines. */
        public fun openBlocking(
            path: String,
            options: EngineOptions = EngineOptions(),
            blocking: CoroutineDispatcher = Dispatchers.IO,
        ): Engine = Engine(dev.loam.ffi.Engine.open(path, options), blocking)
    }
}

/** Version of the native library. */
public fun version(): String = dev.loam.ffi.version()
