package dev.loam

/**
 * One installed generation of an adapter. It stays usable for as long as it is held, also after it was replaced.
 *
 * Each property is a call into the engine, microseconds.
 */
public class Adapter internal constructor(private val ffi: dev.loam.ffi.Adapter) : AutoCloseable {
    internal val lent = Lent(ffi, "an adapter")

    /** The name it is called by. */
    public val alias: String get() = ffi.alias()

    /** Its number, which grows with each installation. */
    public val generation: ULong get() = ffi.generation()

    /** What it does, where its author says so. */
    public val description: String? get() = ffi.description()

    /** The task that it is for, where its author says so. */
    public val task: String? get() = ffi.task()

    /** Component of the foundation that it acts on. */
    public val component: String get() = ffi.component()

    /** System message that it was trained with. A session that is given this adapter begins with it. */
    public val instructions: String? get() = ffi.instructions()

    /** Its class names. */
    public val labels: List<String> get() = ffi.labels()

    /** Bytes of its matrices. */
    public val bytes: Long get() = ffi.bytes().toLong()

    override fun close(): Unit = lent.close()

    override fun toString(): String = if (ffi.uniffiIsDestroyed) "Adapter(closed)" else "Adapter($alias, $generation)"
}
