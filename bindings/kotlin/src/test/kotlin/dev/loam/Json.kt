package dev.loam

import dev.loam.ffi.LoamException
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** Results as the table writes them. */
fun json(value: Any?): JsonElement = when (value) {
    null -> JsonNull
    is JsonElement -> value
    is String -> JsonPrimitive(value)
    is Boolean -> JsonPrimitive(value)
    is UByte -> JsonPrimitive(value.toInt())
    is UInt -> JsonPrimitive(value.toLong())
    is ULong -> JsonPrimitive(value.toLong())
    is Number -> JsonPrimitive(value)
    is Iterable<*> -> JsonArray(value.map(::json))
    is Map<*, *> -> JsonObject(value.entries.associate { (key, of) -> key as String to json(of) })
    else -> error("no JSON of $value")
}

fun record(vararg entries: Pair<String, Any?>): JsonElement = json(mapOf(*entries))

fun Trace.json(): JsonElement = record("path" to path, "steps" to steps.map { it.component })

fun Classification.json(): JsonElement = record(
    "label" to label,
    "scores" to scores.map { listOf(it.label, it.probability) },
    "trace" to trace.json(),
)

fun Embedding.first(): List<Float> = toFloatArray().take(4)

/** As the variant is called. */
fun Enum<*>.variant(): String = name.split('_').joinToString("") { it.lowercase().replaceFirstChar(Char::uppercase) }

/** As the variant is called. */
fun LoamException.variant(): String = this::class.simpleName!!

/** Kind of the failure that is expected, and its code. */
inline fun refusal(act: () -> Unit): Any = try {
    act()
    "it was accepted"
} catch (error: LoamException) {
    listOf(error.variant(), error.code())
}
