package dev.loam.sample

import kotlinx.coroutines.CoroutineScope

/** The foundations of the four screens. On a phone there is one; the desktop twin may use another one for the senses. */
data class Places(
    /** For text and conversation. */
    val language: Place,
    /** For photos, speech and motion. */
    val senses: Place = language,
)

/** The whole app: what is open, and a presenter for each screen. */
class Sample private constructor(private val open: Set<OpenFoundation>, val screens: Screens) : AutoCloseable {
    /** Adapters that were found but do not fit, by name, with the reason. */
    val refused: Map<String, String> get() = open.map { it.refused }.fold(emptyMap()) { all, some -> all + some }

    /** Names of the foundations. */
    val foundations: List<String> get() = open.map { it.name }

    /** Streams that wait or run. */
    val activeStreams: Int get() = open.sumOf { it.engine.activeStreams }

    override fun close(): Unit = open.forEach { it.close() }

    companion object {
        /**
         * Opens what [places] name: milliseconds, for weights are loaded by the first task that needs them. Throws
         * [dev.loam.ffi.LoamException] where there is no foundation.
         *
         * @param scope where the presenters work; cancel it before [close].
         */
        suspend fun open(places: Places, scope: CoroutineScope): Sample {
            val language = OpenFoundation.open(places.language)
            val senses = if (places.senses == places.language) language else OpenFoundation.open(places.senses)
            val screens = Screens(
                ClassifyPresenter(language, senses, scope),
                DictatePresenter(senses, scope),
                SensePresenter(senses, scope),
                ChatPresenter(language, scope),
            )
            return Sample(setOf(language, senses), screens)
        }
    }
}

/** A presenter for each screen. */
class Screens(
    val classify: ClassifyPresenter,
    val dictate: DictatePresenter,
    val sense: SensePresenter,
    val chat: ChatPresenter,
)
