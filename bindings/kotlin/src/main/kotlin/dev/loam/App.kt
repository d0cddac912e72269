package dev.loam

import dev.loam.ffi.ClassifyOptions
import dev.loam.ffi.Event
import dev.loam.ffi.EventSink
import dev.loam.ffi.Repair
import dev.loam.ffi.TranscriptEvent
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * An app that is attached to an engine.
 *
 * Suspending calls compute on threads of their own and cannot be interrupted: one that is cancelled ends when its work does.
 * Flows begin when they are collected, each collector anew, and stop their work within one token when the collector has
 * enough. Failures are [dev.loam.ffi.LoamException]s.
 */
public class App internal constructor(
    internal val ffi: dev.loam.ffi.App,
    private val blocking: CoroutineDispatcher,
) : AutoCloseable {
    /** Its name. */
    public val id: String get() = ffi.id()

    /** What it is doing and what was done for it, with what it may ask for and hold. Of a service it is asked. */
    public val usage: AppStatus get() = ffi.usage()

    /** What it has installed. */
    public val adapters: Adapters = Adapters(ffi, blocking)

    /**
     * Finds the label that fits [input]: by the adapter's head, by the labels' sentences, or by the checkpoint's own
     * classifier.
     *
     * @param labels may be empty where the adapter or the checkpoint brings its own.
     * @param template sentence around a label, `{}` standing for it.
     * @param modality what the input shows, where its kind does not tell.
     */
    public suspend fun classify(
        input: Input,
        adapter: Adapter? = null,
        labels: List<String> = emptyList(),
        template: String? = null,
        modality: Modality? = null,
    ): Classification {
        val options = ClassifyOptions(labels, template, modality)
        return compute { input.lent.to { on -> adapter.lend { ffi.classify(on, options, it) } } }
    }

    /** Tells what a window of motion shows. */
    public suspend fun sense(
        window: Input,
        adapter: Adapter? = null,
        labels: List<String> = emptyList(),
    ): Classification = classify(window, adapter, labels, modality = Modality.IMU)

    /** Turns an input into a vector of the space that all encoders share. */
    public suspend fun embed(input: Input, adapter: Adapter? = null, modality: Modality? = null): Embedding =
        compute { input.lent.to { on -> adapter.lend { ffi.embed(on, modality, it) } } }

    /** The vector by which [input] is looked up among embeddings of the kind [entries]: a text finds pictures. */
    public suspend fun query(input: Input, entries: Modality): Embedding = compute { input.lent.to { ffi.query(it, entries) } }

    /** Finds named values of an input, by a regression head. */
    public suspend fun regress(input: Input, adapter: Adapter? = null, modality: Modality? = null): Regression =
        compute { input.lent.to { on -> adapter.lend { ffi.regress(on, modality, it) } } }

    /** Finds the named parts of [text], and what it is where [adapter] tells, by its head of tags. */
    public suspend fun tag(text: String, adapter: Adapter): Tagging = compute { adapter.lent.to { ffi.tag(text, it) } }

    /** Finds what follows one another in an input, by an adapter's CTC head. */
    public suspend fun spell(input: Input, adapter: Adapter, modality: Modality? = null): Spelling =
        compute { input.lent.to { on -> adapter.lent.to { ffi.spell(on, modality, it) } } }

    /** Says a text aloud. */
    public suspend fun speak(text: String, options: SpeakOptions = SpeakOptions()): Speech =
        compute { ffi.speak(text, options) }

    /** Makes a picture larger, by the factor of the foundation's network for super-resolution. */
    public suspend fun upscale(input: Input, adapter: Adapter? = null): Upscaled =
        compute { input.lent.to { on -> adapter.lend { ffi.upscale(on, it) } } }

    /** Writes down what is said in a recording. */
    public suspend fun transcribe(
        input: Input,
        options: TranscribeOptions = TranscribeOptions(),
        adapter: Adapter? = null,
    ): Transcript = compute { input.lent.to { on -> adapter.lend { ffi.transcribe(on, options, it) } } }

    /** As [transcribe], as it is understood: segments and partial texts, then [Event.Transcribed]. */
    public fun transcribeStream(
        input: Input,
        options: TranscribeOptions = TranscribeOptions(),
        adapter: Adapter? = null,
    ): Flow<Event> = events { sink ->
        input.lent.to { on -> adapter.lend { ffi.transcribeStream(on, options, it, sink) } }
    }

    /** As [transcribeStream], for chunks of mono 16-bit samples as a microphone gives them, at [sampleRate] Hz. */
    @JvmName("transcribeShorts")
    public fun transcribe(
        chunks: Flow<ShortArray>,
        sampleRate: Int,
        options: TranscribeOptions = TranscribeOptions(),
        adapter: Adapter? = null,
    ): Flow<Event> = listening(chunks, { push(it) }) { transcriber(sampleRate, options, adapter) }

    /** As [transcribeStream], for chunks of mono samples in -1 to 1. */
    @JvmName("transcribeFloats")
    public fun transcribe(
        chunks: Flow<FloatArray>,
        sampleRate: Int,
        options: TranscribeOptions = TranscribeOptions(),
        adapter: Adapter? = null,
    ): Flow<Event> = listening(chunks, { push(it) }) { transcriber(sampleRate, options, adapter) }

    /** Begins to write down samples that the caller pushes. */
    public suspend fun transcriber(
        sampleRate: Int,
        options: TranscribeOptions = TranscribeOptions(),
        adapter: Adapter? = null,
    ): Transcriber = compute {
        val rate = unsigned("sampleRate", sampleRate)
        Transcriber(adapter.lend { ffi.transcriber(rate, options, it) }, blocking)
    }

    /**
     * Begins to tell what a sensor's motion means.
     *
     * @param hopSeconds time from the start of a window to the next one's; windows side by side if none is given.
     */
    public suspend fun sensor(
        source: ImuSource,
        adapter: Adapter? = null,
        hopSeconds: Double? = null,
        repair: Repair = Repair.Refuse,
        labels: List<String> = emptyList(),
    ): Sensor = compute {
        val options = ClassifyOptions(labels)
        Sensor(adapter.lend { ffi.sensor(source, repair, hopSeconds, options, it) }, blocking)
    }

    /** As the other [sensor], for chunks as they come: the windows that they complete. */
    public fun sensor(
        chunks: Flow<Motion>,
        source: ImuSource,
        adapter: Adapter? = null,
        hopSeconds: Double? = null,
        repair: Repair = Repair.Refuse,
        labels: List<String> = emptyList(),
    ): Flow<Sensed> = flow {
        sensor(source, adapter, hopSeconds, repair, labels).use { sensor ->
            chunks.collect { chunk -> sensor.push(chunk).forEach { emit(it) } }
        }
    }

    /** Begins a conversation. With an adapter that brings instructions of its own, these are used where none are given. */
    public fun chat(instructions: String? = null, adapter: Adapter? = null): Session =
        Session(adapter.lend { ffi.chat(instructions, it) }, blocking)

    /**
     * Goes on with a conversation that [Session.save] wrote to the file [path], with the [adapter] that it had.
     *
     * Throws [dev.loam.ffi.LoamException.Io], [dev.loam.ffi.LoamException.Malformed] and
     * [dev.loam.ffi.LoamException.Digest] for the file, [dev.loam.ffi.LoamException.Context] for other weights or another
     * adapter where [mismatch] does not let them pass.
     */
    public suspend fun restore(
        path: String,
        adapter: Adapter? = null,
        mismatch: Mismatch = Mismatch.REFUSE,
    ): Session = compute { Session(adapter.lend { ffi.restore(path, it, mismatch) }, blocking) }

    /** Continues a text as it stands. */
    public fun generate(
        prompt: String,
        options: GenerateOptions = GenerateOptions(),
        adapter: Adapter? = null,
    ): Flow<Event> = events { sink -> adapter.lend { ffi.generate(prompt, options, it, sink) } }

    /** As the other [generate], at once, for code without coroutines: see [Session.respond]. */
    public fun generate(
        prompt: String,
        options: GenerateOptions = GenerateOptions(),
        adapter: Adapter? = null,
        sink: EventSink,
    ): TaskHandle = adapter.lend { ffi.generate(prompt, options, it, GuardedSink(sink)) }

    /** Answers a question about inputs. */
    public fun answer(
        inputs: List<Input>,
        question: String,
        options: GenerateOptions = GenerateOptions(),
        adapter: Adapter? = null,
    ): Flow<Event> = events { sink ->
        inputs.lend { on -> adapter.lend { ffi.answer(on, question, options, it, sink) } }
    }

    /** Describes an input. */
    public fun caption(
        input: Input,
        options: GenerateOptions = GenerateOptions(),
        adapter: Adapter? = null,
    ): Flow<Event> = events { sink ->
        input.lent.to { on -> adapter.lend { ffi.caption(on, options, it, sink) } }
    }

    override fun close(): Unit = ffi.close()

    private suspend fun <T> compute(work: () -> T): T = withContext(blocking) { work() }

    /** Events of a transcription that [begin] begins and [chunks] feed. */
    private fun <T> listening(
        chunks: Flow<T>,
        push: suspend Transcriber.(T) -> List<TranscriptEvent>,
        begin: suspend () -> Transcriber,
    ): Flow<Event> = flow {
        begin().use { transcriber ->
            chunks.collect { chunk -> emitAll(transcriber.push(chunk)) }
            val end = transcriber.finish()
            emitAll(end.events)
            emit(Event.Transcribed(end.summary))
        }
    }
}

private suspend fun FlowCollector<Event>.emitAll(events: List<TranscriptEvent>) {
    for (event in events) {
        when (event) {
            is TranscriptEvent.Segment -> emit(Event.Segment(event.segment))
            is TranscriptEvent.Partial -> emit(Event.Partial(event.text))
        }
    }
}
