import Foundation
import LoamFFI

/// One installed generation of an adapter. It stays usable for as long as it is held, also after it was replaced.
public struct Adapter: Sendable {
    let raw: LoamFFI.Adapter

    init(_ raw: LoamFFI.Adapter) {
        self.raw = raw
    }

    /// The name it is called by.
    public var alias: String { raw.alias() }

    /// Its number, which grows with each installation.
    public var generation: UInt64 { raw.generation() }

    /// What it does, where its author says so.
    public var description: String? { raw.description() }

    /// The task that it is for, where its author says so.
    public var task: String? { raw.task() }

    /// Component of the foundation that it acts on.
    public var component: String { raw.component() }

    /// System message that it was trained with. A session that is given this adapter begins with it.
    public var instructions: String? { raw.instructions() }

    /// Its class names.
    public var labels: [String] { raw.labels() }

    /// Bytes of its matrices.
    public var bytes: UInt64 { raw.bytes() }
}

/// The adapters of one app.
public struct Adapters: Sendable {
    let app: LoamFFI.App

    /// Installs an adapter from a package file or a PEFT directory, off the caller's thread.
    ///
    /// - Parameters:
    ///   - path: The file or directory.
    ///   - alias: The name it will be called by; the file's own name without its extension when absent.
    ///   - policy: What to do when the alias is taken.
    /// - Throws: `LoamError.Adapter` for one that does not fit, for a policy that forbids it or a limit; `LoamError.Io` and
    ///   `LoamError.Malformed` for its file.
    @discardableResult
    public func install(path: String, as alias: String? = nil, policy: InstallPolicy = .create) async throws -> Adapter {
        let app = app
        let alias = alias ?? URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        return try await Work.run { Adapter(try app.installAdapter(alias: alias, path: path, policy: policy)) }
    }

    /// The current generation of an adapter.
    ///
    /// - Throws: `LoamError.UnknownAdapter`.
    public func adapter(_ alias: String) throws -> Adapter {
        Adapter(try translated { try app.adapter(alias: alias) })
    }

    /// All installed adapters, by alias.
    ///
    /// - Throws: What the connection to a service fails with.
    public var all: [Adapter] {
        get throws { try translated { try app.adapters().map(Adapter.init) } }
    }

    /// Removes an adapter; what runs with it goes on.
    ///
    /// - Throws: `LoamError.UnknownAdapter`.
    public func remove(_ alias: String) throws {
        try translated { try app.removeAdapter(alias: alias) }
    }
}
