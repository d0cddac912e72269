package dev.loam

import dev.loam.ffi.LoamException
import java.io.File
import kotlin.math.abs
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Components on delegates: ONNX Runtime's processor stands for an NPU. Of the tiny foundation the text encoder is compiled. */
class DelegatesTest {
    private val sentence = Input.text("two cats on a mat")

    private fun delegates(folder: File, strictness: Strictness? = null): EngineOptions {
        assumeTrue(Place.runtime != null, "LOAM_ONNXRUNTIME names no file: run delegates/setup.sh")
        return EngineOptions(
            delegates = Delegates(
                targets = listOf(DelegateTarget.ONNX_FLOAT),
                artefacts = Place.file("delegates").path,
                runtime = Place.runtime,
                preference = Preference.DELEGATE,
                strictness = strictness,
                plan = folder.resolve("plan.json").path,
            ),
        )
    }

    private suspend fun Engine.embed(input: Input): Embedding = attach("com.example.mail").embed(input)

    private inline fun <reified T : Throwable> fails(crossinline act: suspend () -> Unit): T =
        assertThrows(T::class.java) { runBlocking { act() } }

    @Test
    fun `a component runs on a delegate and says so`(@TempDir folder: File): Unit = runBlocking {
        Engine.open(Place.tiny, delegates(folder)).use { engine ->
            assertEquals(emptyList<PlaceStatus>(), engine.places)
            engine.waitForDelegates("text")
            val place = engine.places.single()
            assertEquals(listOf("text", "onnx-float", null), listOf(place.component, place.backend, place.reason))
            assertEquals(Support.FULL, place.support)
            val timing = place.times.single()
            assertTrue(timing.delegateMs > 0 && timing.processorMs > 0, "$timing")

            val ours = engine.embed(sentence)
            assertEquals("onnx-float", ours.trace.steps.single().backend)
            val theirs = Place.open().use { it.embed(sentence) }
            assertTrue(theirs.trace.steps.single().backend.startsWith("cpu/"), "${theirs.trace}")
            for ((a, b) in ours.toFloatArray().zip(theirs.toFloatArray().toList())) assertTrue(abs(a - b) < 1e-4, "$a is not $b")

            engine.waitForDelegates("image")
            val seen = engine.embed(Input.image(Place.file("square.png"))).trace.steps.first()
            assertTrue(seen.backend.startsWith("cpu/"), "$seen")
            assertEquals("not compiled", seen.fallback)
        }
    }

    @Test
    fun `a strict engine refuses what no delegate runs`(@TempDir folder: File): Unit = runBlocking {
        Engine.open(Place.tiny, delegates(folder, Strictness.STRICT)).use { engine ->
            engine.waitForDelegates("image")
            val refused = fails<LoamException.Delegate> { engine.embed(Input.image(Place.file("square.png"))) }
            assertEquals("image", refused.component)
            assertEquals(19u.toUByte(), refused.code())
            assertTrue("not compiled" in refused.sentence, refused.sentence)
            assertEquals("nose", fails<LoamException.MissingComponent> { engine.waitForDelegates("nose") }.kind)
        }
    }

    @Test
    fun `a host tells where components run`(@TempDir folder: File): Unit = runBlocking {
        Host.open(Place.tiny, folder.resolve("state").path, delegates(folder)).use { host ->
            host.listen(folder.resolve("socket").path)
            Engine.connect(folder.resolve("socket").path).use { engine ->
                engine.embed(sentence)
                assertEquals(listOf("text"), engine.places.map { it.component })
                assertEquals(listOf("text"), host.places.map { it.component })
                assertEquals("delegates", fails<LoamException.Unsupported> { engine.waitForDelegates("text") }.what)
            }
        }
    }

    @Test
    fun `a target of another system is refused by name`(): Unit = runBlocking {
        val options = EngineOptions(delegates = Delegates(listOf(DelegateTarget.ONNX_FLOAT, DelegateTarget.CORE_ML)))
        assertEquals("coreml", fails<LoamException.Unsupported> { Engine.open(Place.tiny, options) }.what)
        Place.open().use { assertEquals(emptyList<PlaceStatus>(), it.places) }
        assertNull(EngineOptions().delegates)
    }
}
