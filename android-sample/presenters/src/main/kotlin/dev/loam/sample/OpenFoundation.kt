package dev.loam.sample

import dev.loam.Adapter
import dev.loam.App
import dev.loam.Engine
import dev.loam.ffi.InstallPolicy
import dev.loam.ffi.LoamException
import dev.loam.sentence
import java.io.File

/** Where a foundation and the adapters for it are. */
data class Place(
    /** A foundation directory, or a GGUF file. */
    val foundation: File,
    /** A directory of adapters, one file or directory each; absent or empty for none. */
    val adapters: File? = null,
)

/** An adapter as a picker lists it. */
data class AdapterChoice(
    /** The name it is called by. */
    val alias: String,
    /** What it does, where its author says so. */
    val description: String?,
)

/** A foundation and this app's place on it. */
class OpenFoundation private constructor(
    /** The foundation's engine. */
    val engine: Engine,
    /** This app, attached to it. */
    val app: App,
    /** Adapters that were found but do not fit this foundation, by name, with the reason. */
    val refused: Map<String, String>,
) : AutoCloseable {
    /** Its name. */
    val name: String = engine.foundation.id

    private val kinds = engine.foundation.components.associate { it.name to it.kind }

    /** The installed adapters that [use] can run with. */
    fun adapters(use: Use): List<AdapterChoice> =
        app.adapters.list().filter { use.takes(it) }.map { AdapterChoice(it.alias, it.description) }

    /** The adapter of that alias; `null` for none. */
    fun adapter(alias: String?): Adapter? = alias?.let { app.adapters[it] }

    // One that answers about pictures has no screen here, and nothing to say without one.
    private fun Use.takes(adapter: Adapter): Boolean =
        kinds[adapter.component] in kinds() && adapter.labels.isNotEmpty() == isLabelled && adapter.task != ANSWER

    override fun close() {
        app.close()
        engine.close()
    }

    companion object {
        /** The name by which this app attaches. */
        const val APP_ID: String = "dev.loam.sample"

        private const val ANSWER = "answer"

        /** Opens a foundation and installs the adapters that fit it. Throws [LoamException] where there is none. */
        suspend fun open(place: Place): OpenFoundation {
            val engine = Engine.open(place.foundation.path)
            val app = engine.attach(APP_ID)
            val refused = mutableMapOf<String, String>()
            for (file in place.adapters?.listFiles().orEmpty().sortedBy { it.name }) {
                try {
                    app.adapters.install(file.path, policy = InstallPolicy.Upsert)
                } catch (error: LoamException) {
                    refused[file.nameWithoutExtension] = error.sentence
                }
            }
            return OpenFoundation(engine, app, refused)
        }
    }
}

/** What adapters are wanted for. */
enum class Use(
    /** Whether such an adapter brings class names. */
    internal val isLabelled: Boolean,
    private vararg val kinds: String,
) {
    /** Labels of texts. */
    CLASSIFY_TEXT(true, "backbone", "vision-language", "text-encoder"),

    /** Labels of pictures. */
    CLASSIFY_PICTURE(true, "image-encoder", "vision-language"),

    /** Speech as text. */
    DICTATE(false, "speech-encoder"),

    /** Labels of motion. */
    SENSE(true, "imu-encoder"),

    /** Conversation. */
    CHAT(false, "backbone", "vision-language"),
    ;

    /** Kinds of component that such an adapter acts on. */
    internal fun kinds(): List<String> = kinds.asList()
}
