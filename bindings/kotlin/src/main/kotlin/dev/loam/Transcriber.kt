package dev.loam

import dev.loam.ffi.PcmFormat
import dev.loam.ffi.TranscriptEvent
import java.nio.ByteBuffer
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * A transcription of samples as they come, such as the 100 ms that a microphone gives at a time. [App.transcribe] with a flow
 * does the same for those who have one.
 */
public class Transcriber internal constructor(
    private val ffi: dev.loam.ffi.Transcriber,
    private val blocking: CoroutineDispatcher,
) : AutoCloseable {
    private val packed = Packed()

    /** Pushes keep their order, and the buffer serves one at a time. */
    private val turn = Mutex()

    /**
     * Takes mono 16-bit samples and returns what became certain, on another thread: up to the length of a model's window for
     * a fraction of its time.
     */
    public suspend fun push(samples: ShortArray): List<TranscriptEvent> = push(PcmFormat.I16) { it.of(samples) }

    /** As the other [push], for samples in -1 to 1. */
    public suspend fun push(samples: FloatArray): List<TranscriptEvent> = push(PcmFormat.F32) { it.of(samples) }

    /**
     * Ends the stream: what is left, and what it took. Throws [dev.loam.ffi.LoamException.Argument] for a stream without a
     * sample, and when it is called again.
     */
    public suspend fun finish(): TranscriptEnd = turn.withLock { withContext(blocking) { ffi.finish() } }

    override fun close(): Unit = ffi.close()

    private suspend fun push(format: PcmFormat, pack: (Packed) -> ByteBuffer): List<TranscriptEvent> =
        turn.withLock { withContext(blocking) { pack(packed).lend { ffi.push(it, format) } } }
}
