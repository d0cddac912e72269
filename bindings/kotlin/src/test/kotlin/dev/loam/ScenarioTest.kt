package dev.loam

import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** The table of cases that every package passes. */
class ScenarioTest {
    @TestFactory
    fun cases(): List<DynamicTest> = Case.all().map { case ->
        DynamicTest.dynamicTest(case.name) {
            val foundation = if (case.foundation == "nano") Place.nano else Place.file(case.foundation).path
            assumeTrue(foundation != null, "skipped '${case.name}': run `loam pull loam-nano` first")
            runBlocking {
                Engine.open(foundation!!).use { engine ->
                    engine.attach("com.example.mail").use { app ->
                        val found = Scenario(engine, app, case.args).outcome(case.op)
                        assertNull(difference("result", found, case.expected))
                    }
                }
            }
        }
    }

    @Test
    fun `a table with another number, text, key or length is noticed`() {
        val expected = Json.parseToJsonElement("""{"a":[1.0,"x",null],"b":true}""")
        val differs = { other: String -> difference("result", Json.parseToJsonElement(other), expected) }
        assertNull(differs("""{"b":true,"a":[1.0005,"x",null]}"""))
        assertEquals("result.a[0] is 1.002, expected 1.0", differs("""{"a":[1.002,"x",null],"b":true}"""))
        for (other in listOf("""{"a":[1,"y",null],"b":true}""", """{"a":[1,"x"],"b":true}""", """{"a":[1,"x",null]}""",
            """{"a":["1","x",null],"b":true}""", """{"a":[1,"x",null],"b":"true"}""")) {
            assertNotNull(differs(other), other)
        }
    }
}
