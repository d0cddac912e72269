import LoamFFI

/// Embeddings of one space by key. Search is exact. Safe from any thread.
public final class Index: Sendable {
    private let raw = LoamFFI.Index()

    /// An empty index.
    public init() {}

    /// Adds an entry, or replaces the one of the same key.
    ///
    /// - Throws: `LoamError.Argument` for a vector of another length than those before, or one that is not finite.
    public func insert(_ embedding: Embedding, for key: String) throws {
        try translated { try raw.insert(key: key, vector: embedding.vector) }
    }

    /// Adds an entry from a vector that was kept, or replaces the one of the same key.
    ///
    /// - Throws: `LoamError.Argument`, as for an embedding.
    public func insert(_ vector: [Float], for key: String) throws {
        try translated { try vector.withBytes { try raw.insert(key: key, vector: $0) } }
    }

    /// Removes an entry; whether there was one.
    @discardableResult
    public func remove(_ key: String) -> Bool {
        raw.remove(key: key)
    }

    /// Entries.
    public var count: Int {
        Int(raw.count())
    }

    /// The `count` entries most similar to `query`, best first. Time grows with the number of entries.
    ///
    /// - Throws: `LoamError.Argument` for a query of another length.
    public func search(_ query: Embedding, count: Int) throws -> [Match] {
        try translated { try raw.search(query: query.vector, count: UInt32(clamping: count)) }
    }
}
