package dev.loam.sample.desktop

import javax.xml.parsers.DocumentBuilderFactory

/** The texts of the Android app, by their names there. */
object Strings {
    private val texts: Map<String, String> = run {
        val stream = checkNotNull(Strings::class.java.getResourceAsStream("/strings.xml")) { "strings.xml is not packed" }
        val nodes = stream.use { DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(it) }
            .getElementsByTagName("string")
        (0 until nodes.length).associate { i ->
            nodes.item(i).attributes.getNamedItem("name").nodeValue to nodes.item(i).textContent.replace("\\n", "\n")
        }
    }

    /** Names of all texts. */
    val names: Set<String> get() = texts.keys

    /** The text of that name, with [arguments] in their places. */
    operator fun get(name: String, vararg arguments: Any): String {
        val text = checkNotNull(texts[name]) { "no string '$name'" }
        return if (arguments.isEmpty()) text else text.format(*arguments)
    }
}
