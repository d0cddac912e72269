package dev.loam

import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CopyOnWriteArrayList

/** A sink that keeps what it hears. */
class Listener(
    /** Calls `stop` at this text, as another thread of an app does. */
    private val stopsAfter: Int? = null,
    /** What it throws at the first text. */
    private val throws: Throwable? = null,
) : EventSink {
    private val heard = CopyOnWriteArrayList<Event>()
    private val handle = CompletableFuture<TaskHandle>()

    val events: List<Event> get() = heard

    val texts: Int get() = heard.count { it is Event.Text }

    /** The stream that it listens to, for one that stops it. */
    fun listensTo(stream: TaskHandle) {
        handle.complete(stream)
    }

    override fun onEvent(event: Event): Boolean {
        heard += event
        if (event is Event.Text) {
            throws?.let { throw it }
            if (texts == stopsAfter) handle.get().stop()
        }
        return true
    }
}
