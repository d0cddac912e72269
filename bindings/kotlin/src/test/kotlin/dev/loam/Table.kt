package dev.loam

import kotlin.math.abs
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** Sums in f32 depend on the processor. */
private const val TOLERANCE = 1e-3

/** One line of `bindings/scenarios/cases.json`. */
class Case(line: JsonObject) {
    val name: String = line.getValue("name").jsonPrimitive.content
    val foundation: String = line.getValue("foundation").jsonPrimitive.content
    val op: String = line.getValue("op").jsonPrimitive.content
    val args: JsonObject = line.getValue("args").jsonObject
    val expected: JsonElement = line.getValue("expect")

    companion object {
        fun all(): List<Case> = Json.parseToJsonElement(Place.table.readText()).jsonArray.map { Case(it.jsonObject) }
    }
}

/** Where two results differ; `null` where they do not. */
fun difference(at: String, found: JsonElement, expected: JsonElement): String? {
    if (found is JsonObject && expected is JsonObject && found.keys == expected.keys) {
        return expected.keys.firstNotNullOfOrNull { difference("$at.$it", found.getValue(it), expected.getValue(it)) }
    }
    if (found is JsonArray && expected is JsonArray && found.size == expected.size) {
        return expected.indices.firstNotNullOfOrNull { difference("$at[$it]", found[it], expected[it]) }
    }
    val (a, b) = number(found) to number(expected)
    if (a != null && b != null) {
        return if (abs(a - b) <= TOLERANCE) null else "$at is $a, expected $b"
    }
    return if (found == expected) null else "$at is $found, expected $expected"
}

private fun number(value: JsonElement): Double? =
    (value as? JsonPrimitive)?.takeUnless { it.isString }?.doubleOrNull
