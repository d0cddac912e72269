/** Streams of the engine as flows. */
package dev.loam

import com.sun.jna.Native
import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import dev.loam.ffi.LoamException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.SendChannel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.channelFlow
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.fold
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.withContext

/** The generated text alone, piece by piece. */
public fun Flow<Event>.text(): Flow<String> = filterIsInstance<Event.Text>().map { it.text }

/** Waits for the end and returns all of the generated text. */
public suspend fun Flow<Event>.wholeText(): String = text().fold(StringBuilder(), StringBuilder::append).toString()

/**
 * A flow of what [start] begins. Each collector begins it anew. A failure is thrown, not emitted.
 *
 * A collector that has enough stops the work before its next token and returns when nothing of it runs any more, so that a
 * session is free for its next turn at once. The buffer has no limit: a slow collector never holds up the engine, and a
 * stream's events are few.
 */
internal fun events(start: (EventSink) -> TaskHandle): Flow<Event> = channelFlow {
    val sink = ChannelSink(channel)
    val handle = start(sink)
    try {
        sink.ended.join()
    } finally {
        handle.stop()
        withContext(NonCancellable) { sink.ended.join() }
        handle.close()
    }
}.buffer(Channel.UNLIMITED)

/** Puts events into a channel. The engine calls it with a last event whatever happens. */
private class ChannelSink(private val channel: SendChannel<Event>) : EventSink {
    /** Completes with the last event. */
    val ended = CompletableDeferred<Unit>()

    override fun onEvent(event: Event): Boolean {
        WorkerThread.keepAttached()
        // Closing with the failure hands out what came before it; a failure of the flow's own block would drop that.
        val goesOn = if (event is Event.Failed) channel.close(event.error) else channel.trySend(event).isSuccess
        if (event is Event.Failed || event is Event.Done || event is Event.Transcribed) ended.complete(Unit)
        return goesOn
    }
}

/** A caller's own sink: what it throws comes back with its message alone, without a stack trace, errors included. */
internal class GuardedSink(private val sink: EventSink) : EventSink {
    override fun onEvent(event: Event): Boolean {
        WorkerThread.keepAttached()
        try {
            return sink.onEvent(event)
        } catch (error: LoamException) {
            throw error
        } catch (error: Throwable) {
            // Generated code lets errors that are no exceptions through to the native library's caller.
            throw LoamException.Callback(error.message ?: error.toString())
        }
    }
}

/**
 * The engine's threads, which the Java machine does not know. JNA attaches and detaches one at each callback unless it is
 * told once to leave it attached; it is detached when it ends.
 */
internal object WorkerThread {
    private val kept = ThreadLocal<Boolean>()

    fun keepAttached() {
        if (kept.get() == true) return
        kept.set(true)
        Native.detach(false)
    }
}
