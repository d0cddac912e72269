package dev.loam.sample.desktop

import dev.loam.sample.Place
import dev.loam.sample.Places
import java.io.File

/** What the program was started with. */
class Arguments(
    val places: Places,
    /** A recording instead of the machine's microphone. */
    val speech: File?,
    /** Recorded motion, which a desk does not make. */
    val motion: File,
    /** A photo for the walk through the screens. */
    val photo: File?,
    /** Where to put pictures of the screens; the program ends after them. */
    val screenshots: File?,
) {
    companion object {
        val USAGE = """
            |usage: desktop [options]
            |  --foundation DIR   foundation of text and conversation (default: loam-nano in the cache of `loam pull`)
            |  --adapters DIR     adapters for it
            |  --senses DIR       foundation of photos, speech and motion (default: the same one)
            |  --sense-adapters DIR
            |  --speech WAV       a recording instead of the microphone
            |  --motion FILE      recorded motion: f32, six channels, 50 a second
            |  --photo FILE       a photo for --screenshots
            |  --screenshots DIR  walk the four screens, save a picture of each, and end
        """.trimMargin()

        /** Throws [IllegalArgumentException] for what is not known or lacks its value. */
        fun parse(words: List<String>): Arguments {
            val values = words.chunked(2).associate { pair ->
                require(pair.first() in NAMES) { "unknown option '${pair.first()}'" }
                require(pair.size == 2) { "option '${pair.first()}' needs a value" }
                pair.first() to File(pair.last())
            }
            val language = Place(values["--foundation"] ?: default(), values["--adapters"])
            val senses = values["--senses"]?.let { Place(it, values["--sense-adapters"]) } ?: language
            return Arguments(
                Places(language, senses),
                values["--speech"],
                values["--motion"] ?: File("walk.f32"),
                values["--photo"],
                values["--screenshots"],
            )
        }

        private fun default(): File {
            val home = System.getenv("LOAM_HOME")?.let(::File) ?: File(System.getProperty("user.home"), ".cache/loam")
            return home.resolve("foundations/loam-nano")
        }

        private val NAMES = setOf(
            "--foundation", "--adapters", "--senses", "--sense-adapters", "--speech", "--motion", "--photo", "--screenshots",
        )
    }
}
