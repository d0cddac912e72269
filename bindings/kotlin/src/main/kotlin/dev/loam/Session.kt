package dev.loam

import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.withContext

/**
 * A conversation with the language model. Each turn computes only what the last one did not, and one turn runs at a time:
 * all calls throw [dev.loam.ffi.LoamException.Argument] while one does. It lives where the engine is: once a service has
 * ended, they throw [dev.loam.ffi.LoamException.Lost].
 */
public class Session internal constructor(
    internal val ffi: dev.loam.ffi.Session,
    private val blocking: CoroutineDispatcher,
) : AutoCloseable {
    /** The history, instructions included. */
    public val messages: List<Message> get() = ffi.messages()

    /**
     * Answers [text]: pieces of text as they are generated, then [Event.Done] with what it cost. The turn begins when the
     * flow is collected. What was generated becomes part of the history, also when the collector stops early; after a
     * failure the history is as before.
     */
    public fun respond(text: String, options: GenerateOptions = GenerateOptions()): Flow<Event> =
        events { sink -> ffi.respond(text, options, sink) }

    /**
     * As the other [respond], at once, for code without coroutines: events come to [sink] one after another from a thread of
     * the engine, the last one being [Event.Done] or [Event.Failed]. `false` or an exception of the sink stops the turn.
     */
    public fun respond(text: String, options: GenerateOptions = GenerateOptions(), sink: EventSink): TaskHandle =
        ffi.respond(text, options, GuardedSink(sink))

    /**
     * Writes the conversation to the file [path], with what was computed for it, so that [App.restore] goes on with it in
     * another process as this one would. The file takes the place of what was there when it is whole and on the disk.
     *
     * Throws [dev.loam.ffi.LoamException.Io], and then what was there stays.
     */
    public suspend fun save(path: String): Unit = withContext(blocking) { ffi.save(path) }

    /** Answers from now on with another adapter, or with the bare base. The history stays and is computed again. */
    public fun setAdapter(adapter: Adapter?): Unit = adapter.lend(ffi::setAdapter)

    /** Replaces the system message, or removes it. */
    public fun setInstructions(instructions: String?): Unit = ffi.setInstructions(instructions)

    /** Forgets everything but the instructions. */
    public fun clear(): Unit = ffi.clear()

    /** Frees the history and what was computed for it. A turn that runs goes on to its end. */
    override fun close(): Unit = ffi.close()
}
