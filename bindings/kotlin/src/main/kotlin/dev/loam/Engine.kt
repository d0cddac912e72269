package dev.loam

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext

/**
 * One foundation and the apps that use it: in this process ([open]), or in a service for all apps of a device ([connect]).
 * What is asked of it is the same from then on.
 *
 * Opening maps files and loads nothing; components are loaded when a task needs them. Every call is safe from any thread.
 * Failures are [dev.loam.ffi.LoamException]s; an object that was closed throws [IllegalStateException].
 *
 * When a service ends, calls under way fail with [dev.loam.ffi.LoamException.Disconnected] and the next ones connect again,
 * for up to two seconds. Adapters are there then; sessions, transcribers and sensors fail with
 * [dev.loam.ffi.LoamException.Lost].
 */
public class Engine private constructor(
    internal val ffi: dev.loam.ffi.Engine,
    private val blocking: CoroutineDispatcher,
    private val place: Place,
) : AutoCloseable {
    private enum class Place { HERE, SERVICE }

    /** What is open, and which parts of it are loaded. Of a service it is asked. */
    public val foundation: FoundationInfo get() = ffi.foundation()

    /**
     * Streams that wait or run, without those that others have begun in a service. A stream counts until a moment after its
     * last event.
     */
    public val activeStreams: Int get() = ffi.activeStreams().toInt()

    /** Memory of this process, where the system tells. A foundation in a service is not in it. */
    public val memory: ProcessMemory? get() = ffi.memory()

    /**
     * What the engine is doing, for all apps. A service tells the user that runs it, and root; others get
     * [dev.loam.ffi.LoamException.Refused], here as of [trim], [quotas] and [setQuotas].
     */
    public val status: EngineStatus get() = ffi.status()

    /**
     * Attaches the app [id], such as `com.example.mail`: letters, digits, `.`, `-` and `_`. Its adapters are its own, and
     * attaching it again gives the same ones; in a service they are those of the app of this name and this user.
     */
    public fun attach(id: String): App = App(ffi.attach(id), blocking)

    /**
     * Drops a component, which comes back when it is needed; whether it was loaded. What runs with it goes on. What a service
     * has loaded is its own to drop: then nothing is done.
     */
    public fun unload(component: String): Boolean = ffi.unload(component)

    /**
     * Gives memory back, as `onTrimMemory` asks apps to. What runs keeps what it has; whatever is needed later comes back by
     * itself.
     */
    public fun trim(level: TrimLevel): Trimmed = ffi.trim(level)

    /**
     * Says how hot the device is and how it is powered, which changes how many threads work and whether background requests are
     * taken; those that were taken before go on, and no result changes. On Android engines that this process opens hear of it by
     * themselves, and the system's next report replaces what is said here.
     *
     * Throws [dev.loam.ffi.LoamException.Unsupported] for an engine in a service, whose own process says it.
     */
    public fun setConditions(conditions: Conditions): Unit = ffi.setConditions(conditions)

    /**
     * Where components run that are loaded and that delegates were asked for ([EngineOptions.delegates]); none of an engine without
     * delegates. A service tells as [status] does.
     */
    public val places: List<PlaceStatus> get() = ffi.places()

    /**
     * Loads [component], and returns when its delegates are ready or were given up; [places] tells which. The processor serves
     * until then, so that nobody has to wait.
     *
     * Throws [dev.loam.ffi.LoamException.MissingComponent] for a name that the foundation does not have,
     * [dev.loam.ffi.LoamException.Unsupported] for an engine in a service, which prepares components when apps first use them.
     */
    public suspend fun waitForDelegates(component: String): Unit = withContext(blocking) { ffi.waitForDelegates(component) }

    /** What the app [id] may ask for and hold. */
    public fun quotas(id: String): Quotas = ffi.quotas(id)

    /**
     * Bounds what the app [id] may ask for and hold from now on, whether it is attached yet or not; in a service the app of
     * this name of any user. Throws [dev.loam.ffi.LoamException.Argument] for a name that no app can have.
     */
    public fun setQuotas(id: String, quotas: Quotas): Unit = ffi.setQuotas(id, quotas)

    /**
     * Drops all components, and with them all memory that counts. Apps and sessions that are still held go on to answer and
     * load again what they need; close them too. Of a service nothing is dropped, and its connections end with what holds
     * them.
     */
    override fun close() {
        if (ffi.uniffiIsDestroyed) return
        if (place == Place.HERE) {
            for (component in ffi.foundation().components) {
                if (component.loaded) ffi.unload(component.name)
            }
        }
        ffi.close()
    }

    public companion object {
        /**
         * Opens a foundation directory, a GGUF file or a Hugging Face directory, on another thread: milliseconds, or a
         * second per GB where [options] ask for digests.
         *
         * Throws [dev.loam.ffi.LoamException.Unsupported] naming a delegate that this system or this build does not have.
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
        ): Engine {
            val opened = dev.loam.ffi.Engine.open(path, options)
            return Engine(Surroundings.process.join(opened) { it, now -> it.setConditions(now) }, blocking, Place.HERE)
        }

        /**
         * Connects to the service (`loamd`, or a [Host]) that listens on the Unix socket at [path]. Linux and Android; an
         * Android app reaches a service in another app by `LoamClient`.
         *
         * Throws [dev.loam.ffi.LoamException.Disconnected] where nobody answers, [dev.loam.ffi.LoamException.Version] for a
         * service of another protocol, [dev.loam.ffi.LoamException.Refused] beyond its limits and
         * [dev.loam.ffi.LoamException.Unsupported] on other systems.
         *
         * @param blocking where calls that wait run.
         */
        public suspend fun connect(path: String, blocking: CoroutineDispatcher = Dispatchers.IO): Engine =
            withContext(blocking) { connectBlocking(path, blocking) }

        /** [connect] on the caller's thread, for programs without coroutines. */
        public fun connectBlocking(path: String, blocking: CoroutineDispatcher = Dispatchers.IO): Engine =
            Engine(dev.loam.ffi.Engine.connect(path), blocking, Place.SERVICE)

        /**
         * Uses the service at the other end of a connected Unix socket, by its descriptor's number. The descriptor is the
         * engine's from now on, also when this fails: on Android, give what `ParcelFileDescriptor.detachFd()` gives.
         *
         * One socket is one app: [app] is the only name that can be attached. When the connection has ended, every call
         * throws [dev.loam.ffi.LoamException.Disconnected]: nothing can be connected to again. Fails as [connect] does, and
         * with [dev.loam.ffi.LoamException.Argument] for what is no connected Unix socket, and for the name.
         */
        public suspend fun connectFd(
            fd: Int,
            app: String,
            blocking: CoroutineDispatcher = Dispatchers.IO,
        ): Engine = withContext(blocking + NonCancellable) {
            Engine(dev.loam.ffi.Engine.connectFd(fd, app), blocking, Place.SERVICE)
        }
    }
}

/** Version of the native library. */
public fun version(): String = dev.loam.ffi.version()
