package dev.loam

import dev.loam.ffi.LoamException
import java.io.File
import java.nio.file.Files
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.double
import kotlinx.serialization.json.jsonPrimitive

private const val MAIL = "com.example.mail"

/** A turn's text and cost. */
private suspend fun Session.turn(text: String, options: GenerateOptions): Pair<String, GenerateStats> {
    val events = respond(text, options).toList()
    return text(events) to done(events)
}

private suspend fun App.generated(prompt: String, options: GenerateOptions): GenerateStats =
    done(generate(prompt, options).toList())

private fun Quotas.listed(): List<Any> =
    listOf(running, waiting, tokensPerMinute, adapters, adapterBytes, contexts, bytes)

private suspend fun <T> inFolder(work: suspend (File) -> T): T {
    val folder = Files.createTempDirectory("loam").toFile()
    try {
        return work(folder)
    } finally {
        folder.deleteRecursively()
    }
}

/** Goes on in another engine, as in another process. */
internal suspend fun Scenario.save(): JsonElement = inFolder { folder ->
    val file = folder.resolve("chat")
    val next = textOf("next")!!
    val unbroken = app.chat(textOf("instructions"), install()).use { session ->
        list("turns").forEach { session.turn(it, options()) }
        session.save(file.path)
        session.turn(next, options()).first
    }
    Place.open().use { other ->
        val there = other.attach(MAIL)
        val restored = there.restore(file.path, install(there))
        val (text, stats) = restored.turn(next, options())
        record(
            "text" to text,
            "same" to (text == unbroken),
            "reused" to (stats.cachedTokens > 0u),
            "context" to stats.context.variant(),
            "messages" to restored.messages.size,
            "other_adapter" to refusal { there.restore(file.path) },
            "recomputed" to there.restore(file.path, mismatch = Mismatch.RECOMPUTE).messages.size,
            "damaged" to damaged(file),
        )
    }
}

/** What becomes of a saved conversation with another bit, of half of one, and of none. */
private suspend fun Scenario.damaged(file: File): List<Any> {
    suspend fun restore(): Any = refusal { app.restore(file.path, mismatch = Mismatch.RECOMPUTE) }
    val bytes = file.readBytes()
    bytes[bytes.size - 1] = (bytes.last().toInt() xor 1).toByte()
    file.writeBytes(bytes)
    val flipped = restore()
    file.writeBytes(bytes.copyOf(bytes.size / 2))
    val cut = restore()
    file.delete()
    return listOf(flipped, cut, restore())
}

internal suspend fun Scenario.target(): JsonElement {
    fun wish(name: String) = args.getValue(name).jsonPrimitive.double
    val options = options()
    val target = Target(wish("time_to_first_token_ms"), wish("tokens_per_second"))
    val stats = app.generated(textOf("prompt")!!, options.copy(target = target))
    return record(
        "achieved" to stats.achieved?.let { listOf(it.timeToFirstToken, it.tokensPerSecond) },
        "without" to (app.generated(textOf("prompt")!!, options).achieved != null),
        "context" to stats.context.variant(),
        "in_order" to (stats.queueMs in 0.0..stats.timeToFirstTokenMs),
    )
}

internal suspend fun Scenario.usage(): JsonElement {
    val stats = app.generated(textOf("prompt")!!, options())
    val usage = app.usage
    return record(
        "named" to usage.app!!.endsWith(MAIL),
        "waiting" to usage.waiting,
        "requests" to usage.counters.requests,
        "refused" to usage.counters.refused,
        "finished" to usage.counters.finished,
        "generated" to usage.counters.generatedTokens,
        "prompt" to (usage.counters.promptTokens == stats.promptTokens),
        "quotas" to usage.quotas?.listed(),
    )
}

internal suspend fun Scenario.quotas(): JsonElement {
    val usual = engine.quotas(MAIL)
    suspend fun ask() = app.generated(textOf("prompt")!!, options())
    engine.setQuotas(MAIL, usual.copy(tokensPerMinute = count("tokens_per_minute").toULong()))
    ask()
    val refused = runCatching { ask() }.exceptionOrNull() as LoamException.Refused
    val counted = app.usage.counters.refused
    engine.setQuotas(MAIL, usual.copy(adapters = 0u))
    return record(
        "usual" to (usual == Quotas()),
        "refused" to listOf(refused.variant(), refused.code()),
        "named" to ("tokens per minute" in refused.sentence),
        "later" to (refused.retryAfterMs > 1000u),
        "counted" to counted,
        "adapters" to refusal { install() },
        "again" to (ask().generatedTokens > 0u),
        "nobody" to refusal { engine.setQuotas("no spaces", usual) },
    )
}

internal suspend fun Scenario.trim(): JsonElement = app.chat().use { session ->
    val first = session.turn("Hello", options()).second
    val before = engine.status
    val trimmed = engine.trim(TrimLevel.IDLE)
    val second = session.turn("Why?", options()).second
    record(
        "first" to first.context.variant(),
        "rests" to (before.held.resting > 0u),
        "contexts" to (trimmed.contexts > 0u),
        "second" to second.context.variant(),
        "apps" to before.apps.size,
        "finished" to before.apps.first().counters.finished,
        "steps" to (before.steps > 0u),
        "components" to before.components,
    )
}

internal suspend fun Scenario.engineOptions(): JsonElement = inFolder { folder ->
    suspend fun <T> opened(options: EngineOptions, work: suspend (Engine, App) -> T): T =
        Engine.open(Place.tiny, options).use { engine -> engine.attach(MAIL).use { work(engine, it) } }
    val one = GenerateOptions(maxTokens = 1u)
    suspend fun bytes(type: CacheType): ULong =
        opened(EngineOptions(cacheType = type)) { _, app -> app.generated("The cat", one).cacheBytes }
    val swapped = opened(EngineOptions(swap = folder.path)) { engine, app ->
        val session = app.chat()
        session.turn("Hello", options())
        engine.trim(TrimLevel.IDLE)
        session.turn("Why?", options()).second.context
    }
    val small = opened(EngineOptions(memoryBudget = 1u)) { _, app -> refusal { app.generated("The cat", one) } }
    val halves = bytes(CacheType.F16)
    record(
        "swapped" to swapped.variant(),
        "small" to small,
        "types" to listOf(halves * 2u == bytes(CacheType.F32), bytes(CacheType.Q8) < halves),
    )
}
