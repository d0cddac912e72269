package dev.loam

import dev.loam.ffi.Event
import dev.loam.ffi.InstallPolicy
import dev.loam.ffi.InternalException
import dev.loam.ffi.LoamException
import dev.loam.ffi.TranscriptEvent
import dev.loam.ffi.provokePanic
import dev.loam.ffi.provokePanicInWorker
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.double
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonPrimitive

/** One case at work, as `bindings/tests/scenarios/run.rs` says. */
class Scenario(internal val engine: Engine, internal val app: App, internal val args: JsonObject) {
    /** What the operation of that name gives. */
    suspend fun outcome(op: String): JsonElement = when (op) {
        "foundation" -> foundation()
        "classify" -> app.classify(input(), install(), list("labels")).json()
        "pixels" -> pixels()
        "embed" -> embed()
        "retrieve" -> retrieve()
        "sense" -> sense()
        "sensor" -> sensor()
        "transcribe" -> transcribe()
        "transcribe_stream" -> transcribeStream()
        "transcriber" -> transcriber()
        "chat" -> chat()
        "generate" -> generate()
        "answer" -> answer()
        "stop" -> stop()
        "busy" -> busy()
        "policies" -> policies()
        "apps" -> apps()
        "refuse" -> refuse()
        "bad_data" -> badData()
        "callback" -> callback()
        "panic" -> panic()
        "speak" -> speak()
        "upscale" -> upscale()
        "close" -> close()
        "save" -> save()
        "target" -> target()
        "usage" -> usage()
        "quotas" -> quotas()
        "trim" -> trim()
        "options" -> engineOptions()
        else -> error("no operation '$op'")
    }

    internal fun textOf(name: String): String? = args[name]?.jsonPrimitive?.content

    internal fun count(name: String): Int = args.getValue(name).jsonPrimitive.int

    internal fun list(name: String): List<String> = args[name]?.jsonArray.orEmpty().map { it.jsonPrimitive.content }

    internal suspend fun install(to: App = app, policy: InstallPolicy = InstallPolicy.Create): Adapter? =
        textOf("adapter")?.let { to.adapters.install(Place.adapter(it), it, policy) }

    private suspend fun input(): Input {
        textOf("text")?.let { return Input.text(it) }
        textOf("picture")?.let { return Input.image(Place.file(it)) }
        textOf("sound")?.let { return Input.wav(Place.file(it)) }
        return Input.motion(motion(), PHONE)
    }

    private fun motion(): FloatArray {
        val bytes = ByteBuffer.wrap(Place.file(textOf("motion")!!).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        return FloatArray(bytes.remaining() / 4).also { bytes.asFloatBuffer().get(it) }
    }

    internal fun options(): GenerateOptions = tokens(count("max_tokens"))

    private fun tokens(most: Int) = GenerateOptions(maxTokens = most.toUInt())

    private fun foundation(): JsonElement {
        val info = engine.foundation
        val components = info.components.map { listOf(it.name, it.kind) }
        return record("id" to info.id, "version" to info.version, "components" to components)
    }

    /** Pixels by a rule, as grey and as RGBA: the same picture. */
    private suspend fun pixels(): JsonElement {
        val (width, height) = count("width") to count("height")
        val grey = ByteArray(width * height) { (it * 7).toByte() }
        val rgba = ByteBuffer.allocate(4 * grey.size)
        grey.forEach { value -> rgba.put(value).put(value).put(value).put(-1) }
        rgba.flip()
        val one = app.embed(Input.pixels(grey, PixelLayout.GREY, width, height))
        val other = app.embed(Input.pixels(rgba, PixelLayout.RGBA, width, height))
        return record("first" to one.first(), "same" to one.vector.contentEquals(other.vector))
    }

    private suspend fun embed(): JsonElement {
        val result = app.embed(input())
        return record("dim" to result.toFloatArray().size, "first" to result.first(), "trace" to result.trace.json())
    }

    private suspend fun retrieve(): JsonElement = Index().use { index ->
        for (name in list("pictures")) index.insert(name, app.embed(Input.image(Place.file(name))))
        val found = index.search(app.query(input(), Modality.IMAGE), count("count"))
        json(found.map { listOf(it.key, it.similarity) })
    }

    private suspend fun sense(): JsonElement {
        val window = motion().copyOf(50 * 6)
        return app.sense(Input.motion(window, PHONE), install()).json()
    }

    private suspend fun sensor(): JsonElement {
        val (adapter, hop) = install() to args.getValue("hop_seconds").jsonPrimitive.double
        val chunks = motion().toList().chunked(count("push_steps") * 6) { Motion(it.toFloatArray()) }
        val windows = app.sensor(chunks.asFlow(), PHONE, adapter, hop).toList()
        val seconds = app.sensor(PHONE, adapter, hop).use { it.windowSeconds }
        return record(
            "window_seconds" to seconds,
            "windows" to windows.map { listOf(it.start, it.end, it.classification.label) },
        )
    }

    private suspend fun transcribe(): JsonElement {
        val result = app.transcribe(input())
        return record(
            "text" to result.text,
            "segments" to result.segments.map { listOf(it.start, it.end, it.text) },
            "seconds" to result.summary.seconds,
            "trace" to result.summary.trace.json(),
        )
    }

    private suspend fun transcribeStream(): JsonElement {
        val events = app.transcribeStream(input()).toList()
        return record(
            "text" to events.filterIsInstance<Event.Segment>().joinToString("") { it.segment.text },
            "partials" to events.count { it is Event.Partial },
            "seconds" to (events.last() as Event.Transcribed).summary.seconds,
        )
    }

    private suspend fun transcriber(): JsonElement {
        // The samples of a plain WAV file begin after 44 bytes.
        val bytes = Place.file(textOf("sound")!!).readBytes()
        val all = ByteBuffer.wrap(bytes, 44, bytes.size - 44).slice().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer()
        val chunks = generateSequence {
            if (!all.hasRemaining()) return@generateSequence null
            ShortArray(minOf(16 * count("chunk_ms"), all.remaining())).also(all::get)
        }.toList()
        return app.transcriber(16_000).use { transcriber ->
            val events = chunks.flatMap { transcriber.push(it) }
            val end = transcriber.finish()
            val segments = (events + end.events).filterIsInstance<TranscriptEvent.Segment>()
            record(
                "text" to segments.joinToString("") { it.segment.text },
                "seconds" to end.summary.seconds,
                "after_the_end" to refusal { transcriber.push(ShortArray(1)) },
            )
        }
    }

    private suspend fun chat(): JsonElement = app.chat(textOf("instructions"), install()).use { session ->
        val turns = list("turns").map { turn ->
            val events = session.respond(turn, options()).toList()
            val stats = done(events)
            record(
                "text" to text(events),
                "generated" to stats.generatedTokens,
                "reused" to (stats.cachedTokens > 0u),
                "adapter" to stats.adapter?.alias,
                "path" to stats.trace.path,
            )
        }
        record("turns" to turns, "roles" to session.messages.map { it.role.name.lowercase() })
    }

    private suspend fun generate(): JsonElement {
        val events = app.generate(textOf("prompt")!!, options()).toList()
        return record("text" to text(events), "reason" to done(events).finishReason.variant())
    }

    private suspend fun answer(): JsonElement {
        val events = app.answer(listOf(input()), textOf("question")!!, options()).toList()
        val trace = done(events).trace
        return record("text" to text(events), "path" to trace.path, "steps" to trace.steps.map { it.component })
    }

    private suspend fun stop(): JsonElement = app.chat().use { session ->
        val listener = Listener(stopsAfter = count("after_events"))
        val handle = session.respond("Hello", options(), listener)
        listener.listensTo(handle)
        handle.join()
        val next = session.respond("Go on", tokens(2)).toList()
        record(
            "texts" to listener.texts,
            "reason" to done(listener.events).finishReason.variant(),
            "finished" to handle.isFinished(),
            "messages" to session.messages.size,
            "next" to done(next).generatedTokens,
        )
    }

    private fun busy(): JsonElement = app.chat().use { session ->
        val listener = Listener()
        val handle = session.respond("Hello", options(), listener)
        val second = refusal { session.respond("And", options(), Listener()) }
        val messages = refusal { session.messages }
        handle.stop()
        handle.join()
        record("second" to second, "messages" to messages, "reason" to done(listener.events).finishReason.variant())
    }

    private suspend fun policies(): JsonElement {
        val first = install()!!
        val again = refusal { install() }
        val second = install(policy = InstallPolicy.Upsert)!!
        val stale = refusal { install(policy = InstallPolicy.CompareAndSwap(first.generation)) }
        val third = install(policy = InstallPolicy.CompareAndSwap(second.generation))!!
        // A generation that was replaced stays usable by who holds it.
        val used = done(app.chat(adapter = first).respond("Hello", tokens(4)).toList()).adapter
        val listed = app.adapters.list().map { it.alias }
        app.adapters.remove(first.alias)
        return record(
            "grows" to (first.generation < second.generation && second.generation < third.generation),
            "again" to again,
            "stale" to stale,
            "held" to (used?.generation == first.generation),
            "listed" to listed,
            "removed" to refusal { app.adapters[first.alias] },
            "component" to first.component,
            "description" to first.description,
        )
    }

    private suspend fun apps(): JsonElement {
        val other = engine.attach("com.example.other")
        val name = textOf("adapter")!!
        install()
        val unseen = refusal { other.adapters[name] }
        install(other)
        app.adapters.remove(name)
        return record(
            "ids" to listOf(app.id, other.id),
            "unseen" to unseen,
            "kept" to other.adapters[name].alias,
            "bad" to refusal { engine.attach("no spaces") },
        )
    }

    private suspend fun refuse(): JsonElement =
        record("refused" to refusal { install() }, "installed" to app.adapters.list().size)

    private suspend fun badData(): JsonElement {
        val picture = Place.file("square.png").readBytes()
        val sound = Input.pcm(shortArrayOf(0, 1), 16_000)
        return record(
            "no_foundation" to refusal { Engine.open(Place.file("nowhere").path) },
            "half_a_picture" to refusal { Input.image(picture.copyOf(picture.size / 2)) },
            "no_picture" to refusal { Input.image("hello".toByteArray()) },
            "few_pixels" to refusal { Input.pixels(ByteArray(5), PixelLayout.RGB, 2, 2) },
            "no_sample" to refusal { Input.pcm(ShortArray(0), 16_000) },
            // Arrays hold whole samples; bytes of half a one reach the engine only past this package.
            "half_a_sample" to refusal {
                dev.loam.ffi.Input.pcm(ByteBuffer.allocateDirect(1), dev.loam.ffi.PcmFormat.I16, 16_000u, 1u)
            },
            "not_a_number" to refusal { Input.pcm(floatArrayOf(Float.NaN), 16_000) },
            "wrong_rate" to refusal { Input.pcm(ShortArray(1), 5) },
            "one_step" to refusal { Input.motion(FloatArray(6), PHONE) },
            "no_text" to refusal { app.transcribe(Input.text("x")) },
            "no_label" to refusal { app.classify(Input.text("x")) },
            "other_kind" to refusal { app.embed(sound, modality = Modality.DEPTH) },
        )
    }

    private suspend fun callback(): JsonElement {
        val message = textOf("message")!!
        val listener = Listener(throws = IllegalStateException(message))
        val handle = app.chat().respond("Hello", tokens(50), listener)
        val failure = runCatching { handle.join() }.exceptionOrNull() as LoamException
        return record(
            "kind" to failure.variant(),
            "named" to (message in failure.message!!),
            "told" to (listener.events.last() is Event.Failed),
            "answers" to answers(),
        )
    }

    private suspend fun panic(): JsonElement {
        val caught = runCatching { provokePanic() }.exceptionOrNull() is InternalException
        val failure = runCatching { provokePanicInWorker(app.ffi, Listener()).join() }.exceptionOrNull() as LoamException
        return record("caught" to caught, "kind" to failure.variant(), "answers" to answers())
    }

    /** Whether the engine still does. */
    private suspend fun answers(): Boolean = done(app.chat().respond("Hello", tokens(3)).toList()).generatedTokens > 0u

    private suspend fun upscale(): JsonElement {
        val made = app.upscale(input())
        val colours = made.toArgb().sumOf { ((it shr 16 and 0xFF) + (it shr 8 and 0xFF) + (it and 0xFF)).toLong() }
        return record(
            "bytes" to made.pixels.size,
            "width" to made.width,
            "height" to made.height,
            "mean" to colours.toDouble() / made.pixels.size,
            "trace" to made.trace.json(),
        )
    }

    private suspend fun speak(): JsonElement {
        val speech = app.speak(textOf("text")!!, SpeakOptions(seed = count("seed").toULong()))
        val samples = speech.toFloatArray()
        return record(
            "samples" to samples.size,
            "sample_rate" to speech.sampleRate,
            "loudest" to samples.maxOf(::abs),
            "trace" to speech.trace.json(),
        )
    }

    private suspend fun close(): JsonElement {
        answers()
        val loaded = { engine.foundation.components.single { it.name == "vision-language" }.loaded }
        val before = loaded()
        val unloaded = engine.unload("vision-language")
        engine.awaitIdle()
        return record(
            "before" to before,
            "unloaded" to unloaded,
            "after" to loaded(),
            "active" to engine.activeStreams,
            "answers" to answers(),
        )
    }
}

/** All texts, joined. */
fun text(events: List<Event>): String = events.filterIsInstance<Event.Text>().joinToString("") { it.text }

fun done(events: List<Event>): GenerateStats = (events.last() as Event.Done).stats
