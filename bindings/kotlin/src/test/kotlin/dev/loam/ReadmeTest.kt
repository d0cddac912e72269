package dev.loam

import dev.loam.readme.main
import dev.loam.readme.snippets
import java.io.ByteArrayOutputStream
import java.io.PrintStream
import java.nio.file.Files
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** The README's code does what the README says. `snippets.sh` makes it test sources. */
class ReadmeTest {
    /** What the snippet under each heading prints on the tiny foundation. */
    private val prints = mapOf(
        "Classify" to Regex("""cat: 0\.1\d+\npath 3: image, text\n"""),
        "Find by meaning" to Regex("""wide.png 0\.47\d+\nsquare.png 0\.34\d+\n16 dimensions\n"""),
        "Transcribe" to Regex("""[bcd ]*d[a-d ]+\n0\.02 to 3\.0: [a-d ]+\n"""),
        "Dictate" to Regex("""(?s).*[a-d ]+\n3\.0 s of sound\n"""),
        "Sense" to Regex("""0\.0 s: running\n0\.5 s: running\n1\.0 s: running\n1\.5 s: running\n2\.0 s: running\n"""),
        "Chat, and stop" to Regex("""(?s).+\n\[SYSTEM, USER, ASSISTANT, USER, ASSISTANT]\n"""),
        "Keep a conversation" to Regex("""\[SYSTEM, USER, ASSISTANT]\nMEMORY, in time: true, waited [\d.]+(E-\d+)? ms\n"""),
        "Ask about a picture" to Regex("""(?s).+\n"""),
        "Speak" to Regex("""756 samples at 16000 Hz\n"""),
        "Make a picture larger" to Regex("""true\n"""),
        "Adapters" to Regex("""(?s).+\nvoice: generation \d+ became \d+\n1\n"""),
        "Errors" to Regex("""\S.*rate.* \(2\): .*5.*\n"""),
        "Services" to Regex("""cat\ntrue\n20000 tokens a minute\n"""),
        "On an NPU" to Regex("""text: the processor, not available: .*QNN.*\n"""),
        "Logging" to Regex("""(?s)INFO loam\S*: .*text.*\n"""),
    )

    @TestFactory
    fun snippets(): List<DynamicTest> = snippets.map { (heading, run) ->
        DynamicTest.dynamicTest(heading) {
            val folder = Files.createTempDirectory("loam").toFile()
            val socket = folder.resolve("socket").path
            runBlocking {
                Host.open(Place.tiny, folder.resolve("state").path).use { host ->
                    host.listen(socket)
                    Place.open().use { engine -> check(engine, heading, socket, run) }
                }
            }
            folder.deleteRecursively()
        }
    }

    private suspend fun check(engine: Engine, heading: String, socket: String, run: suspend Given.() -> Unit) {
        val app = engine.attach("com.example.readme")
        val given = Given(app, app.adapters.install(Place.adapter("tilt")), socket)
        given.run()
        val expected = prints.getValue(heading)
        assertTrue(expected.matches(given.printed), "'${given.printed}' is not as '$expected'")
        engine.awaitIdle()
    }

    @Test
    fun `every snippet is here`() {
        assertEquals(prints.keys.toList(), snippets.map { it.first })
    }

    @Test
    fun `the first program is short and answers`() {
        val program = Place.readme.readText().substringAfter("```kotlin\n").substringBefore("```")
        assertTrue(program.trim().lines().size <= 20, program)
        val answer = ByteArrayOutputStream()
        val screen = System.out
        System.setOut(PrintStream(answer, true))
        try {
            main(arrayOf(Place.nano ?: Place.tiny))
        } finally {
            System.setOut(screen)
        }
        if (Place.nano != null) {
            assertEquals("The capital of France is Paris.\n", answer.toString())
        } else {
            assertTrue(answer.size() > 1, "nothing was printed")
        }
    }
}
