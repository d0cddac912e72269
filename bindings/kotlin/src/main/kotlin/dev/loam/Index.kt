package dev.loam

/** Embeddings of one space by key. Search is exact: a million entries take a moment, a thousand microseconds. */
public class Index : AutoCloseable {
    private val ffi = dev.loam.ffi.Index()

    /** Entries. */
    public val count: Int get() = ffi.count().toInt()

    /**
     * Adds an entry, or replaces the one of the same key. Throws [dev.loam.ffi.LoamException.Argument] for a vector of
     * another length than those before.
     */
    public fun insert(key: String, embedding: Embedding): Unit =
        Packed().of(embedding.vector).lend { ffi.insert(key, it) }

    /** As the other [insert], for vectors that an app keeps itself. */
    public fun insert(key: String, vector: FloatArray): Unit = Packed().of(vector).lend { ffi.insert(key, it) }

    /** Removes an entry; whether there was one. */
    public fun remove(key: String): Boolean = ffi.remove(key)

    /** The [count] entries most similar to [query], best first. */
    public fun search(query: Embedding, count: Int): List<Match> =
        Packed().of(query.vector).lend { ffi.search(it, unsigned("count", count)) }

    /** As the other [search]. */
    public fun search(query: FloatArray, count: Int): List<Match> =
        Packed().of(query).lend { ffi.search(it, unsigned("count", count)) }

    override fun close(): Unit = ffi.close()
}
