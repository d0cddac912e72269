package dev.loam

import java.util.concurrent.atomic.AtomicBoolean
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/**
 * A service in this process: one foundation for apps in other processes, as `loamd` is. Linux and Android. On Android
 * `LoamService` is one that other apps bind to.
 *
 * What clients have installed stays in its state folder. Every call is safe from any thread.
 */
public class Host private constructor(internal val ffi: dev.loam.ffi.Host) : AutoCloseable {
    private val closed = AtomicBoolean()

    /** What is open, and which parts of it are loaded. */
    public val foundation: FoundationInfo get() = ffi.foundation()

    /** Clients that are connected. */
    public val connections: Int get() = ffi.connections().toInt()

    /** Calls under way, of all clients. */
    public val activeCalls: Int get() = ffi.activeCalls().toInt()

    /** What the engine is doing, for all apps. */
    public val status: EngineStatus get() = ffi.status()

    /**
     * Accepts clients of this user at a Unix socket that is made at [path], on another thread, until the host is closed.
     * Throws [dev.loam.ffi.LoamException.Io] where something answers there or something else lies there.
     */
    public fun listen(path: String): Unit = ffi.listen(path)

    /**
     * Serves the client at the other end of a connected Unix socket, on another thread, until it goes. The descriptor is the
     * host's from now on, also when this fails.
     *
     * Throws [dev.loam.ffi.LoamException.Refused] beyond a limit, [dev.loam.ffi.LoamException.Argument] for what is no
     * connected Unix socket.
     *
     * @param app who the client is, whatever it says itself: letters, digits, `.`, `-` and `_`.
     */
    public fun serveFd(fd: Int, app: String): Unit = ffi.serveFd(fd, app)

    /** Gives memory back. What runs keeps what it has; whatever is needed later comes back by itself. */
    public fun trim(level: TrimLevel): Trimmed = ffi.trim(level)

    /** Where components run that are loaded and that delegates were asked for. */
    public val places: List<PlaceStatus> get() = ffi.places()

    /** Says how hot the device is and how it is powered, for all apps; as [Engine.setConditions]. */
    public fun setConditions(conditions: Conditions): Unit = ffi.setConditions(conditions)

    /** What the app [app] may ask for and hold. */
    public fun quotas(app: String): Quotas = ffi.quotas(app)

    /**
     * Bounds what the app [app] may ask for and hold from now on, whether it is connected yet or not: the name that [serveFd]
     * is given, or that clients of [listen] give themselves. Throws [dev.loam.ffi.LoamException.Argument] for a name that no
     * app can have.
     */
    public fun setQuotas(app: String, quotas: Quotas): Unit = ffi.setQuotas(app, quotas)

    /** Disconnects all clients and removes the sockets. */
    override fun close() {
        if (!closed.compareAndSet(false, true)) return
        ffi.end()
        ffi.close()
    }

    public companion object {
        /**
         * Opens a foundation on another thread, and the folder [state] for the adapters of all apps, which is made where it
         * is not there, for this user alone.
         *
         * Fails as [Engine.open] does; throws [dev.loam.ffi.LoamException.Io] where another service uses the folder, and
         * [dev.loam.ffi.LoamException.Unsupported] on other systems.
         */
        public suspend fun open(
            foundation: String,
            state: String,
            options: EngineOptions = EngineOptions(),
            blocking: CoroutineDispatcher = Dispatchers.IO,
        ): Host = withContext(blocking) { openBlocking(foundation, state, options) }

        /** [open] on the caller's thread. */
        public fun openBlocking(foundation: String, state: String, options: EngineOptions = EngineOptions()): Host {
            val opened = dev.loam.ffi.Host.open(foundation, state, options)
            return Host(Surroundings.process.join(opened) { it, now -> it.setConditions(now) })
        }
    }
}
