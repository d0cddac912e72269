import LoamFFI

/// One foundation and the apps that use it. Safe from any thread; released with its last reference.
public final class Engine: Sendable {
    let raw: LoamFFI.Engine

    init(_ raw: LoamFFI.Engine) {
        self.raw = raw
    }

    /// Opens a foundation directory, a GGUF file or a Hugging Face directory. Maps files, and loads no component yet.
    ///
    /// - Throws: `LoamError.Io`, `LoamError.Malformed`, `LoamError.Unsupported` or `LoamError.Digest`.
    public static func open(_ path: String, options: EngineOptions = EngineOptions()) async throws -> Engine {
        try await Work.run { Engine(try LoamFFI.Engine.open(path: path, options: options)) }
    }

    /// Attaches the app `id`, such as `com.example.mail`. Its adapters are its own.
    ///
    /// - Throws: `LoamError.Argument` for a name with other characters than letters, digits, `.`, `-` and `_`.
    public func attach(_ id: String) throws -> App {
        App(try translated { try raw.attach(id: id) }, of: self)
    }

    /// What is open, and which parts of it are loaded.
    public var foundation: FoundationInfo {
        raw.foundation()
    }

    /// Drops a component, which comes back when it is needed; whether it was loaded.
    @discardableResult
    public func unload(_ component: String) -> Bool {
        raw.unload(component: component)
    }

    /// Streams that wait or run.
    public var activeStreams: Int {
        Int(raw.activeStreams())
    }

    /// Memory of this process, where the system tells.
    public var memory: ProcessMemory? {
        measuredMemory
    }

    /// Version of the library.
    public static var version: String {
        LoamFFI.version()
    }
}
