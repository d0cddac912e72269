package dev.loam

import android.content.ComponentName
import android.content.Context
import android.content.Intent
import android.content.ServiceConnection
import android.os.DeadObjectException
import android.os.IBinder
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * A binding to a [LoamService] of this or another app.
 *
 * [engine] connects through it, and connects anew after the service has ended and the system has started it again. Closing it
 * unbinds; engines that it gave answer until the service ends.
 */
public class LoamClient private constructor(
    private val context: Context,
    private val blocking: CoroutineDispatcher,
) : AutoCloseable {
    private sealed interface Binding {
        data object Waiting : Binding

        class Bound(val service: ILoam) : Binding

        class Over(val reason: String) : Binding
    }

    private val binding = MutableStateFlow<Binding>(Binding.Waiting)
    private val turn = Mutex()
    private var connected: Pair<Binding, Engine>? = null

    private val connection = object : ServiceConnection {
        override fun onServiceConnected(name: ComponentName, binder: IBinder) {
            binding.value = Binding.Bound(ILoam.asInterface(binder))
        }

        override fun onServiceDisconnected(name: ComponentName) {
            // The system starts it again.
            binding.value = Binding.Waiting
        }

        override fun onBindingDied(name: ComponentName) {
            binding.value = Binding.Over("the binding to ${name.flattenToShortString()} has died: bind again")
        }

        override fun onNullBinding(name: ComponentName) {
            binding.value = Binding.Over("${name.flattenToShortString()} lets nobody bind")
        }
    }

    /**
     * The service's engine, once the system has bound it. Its one app is this one: attach the app by its package's name. The
     * same engine as before, unless the service was started again since then.
     *
     * After [dev.loam.ffi.LoamException.Disconnected] call it again: sessions are lost then, adapters are not. Fails as
     * [Engine.connectFd] does; [IllegalStateException] for a binding that is over and for what the service refuses.
     */
    public suspend fun engine(): Engine = turn.withLock {
        var engine: Engine? = null
        while (engine == null) {
            val now = binding.first { it !is Binding.Waiting }
            check(now is Binding.Bound) { (now as Binding.Over).reason }
            engine = connected?.takeIf { (at, _) -> at === now }?.second ?: connect(now)
        }
        engine
    }

    /** `null` where the service died meanwhile. */
    private suspend fun connect(bound: Binding.Bound): Engine? {
        try {
            // As one piece: a descriptor that was given must find its owner.
            val engine = withContext(blocking + NonCancellable) {
                Engine.connectFd(bound.service.connect().detachFd(), context.packageName, blocking)
            }
            connected = bound to engine
            return engine
        } catch (_: DeadObjectException) {
            // The connection hears of it in a moment.
            binding.first { it !== bound }
            return null
        }
    }

    override fun close() {
        if (binding.value is Binding.Over) return
        binding.value = Binding.Over("the client is closed")
        context.unbindService(connection)
    }

    public companion object {
        /**
         * Binds to the service that [intent] names, by its component or by its package and action, and starts it where it does
         * not run. Throws [SecurityException] where this app may not bind to it, and [IllegalStateException] where there is
         * none.
         *
         * @param blocking where calls that wait run.
         */
        public fun bind(
            context: Context,
            intent: Intent,
            blocking: CoroutineDispatcher = Dispatchers.IO,
        ): LoamClient {
            val client = LoamClient(context.applicationContext ?: context, blocking)
            val found = client.context.bindService(intent, client.connection, Context.BIND_AUTO_CREATE)
            if (!found) {
                // Also where it is not found the system holds the connection.
                client.close()
                error("there is no service for $intent")
            }
            return client
        }
    }
}
