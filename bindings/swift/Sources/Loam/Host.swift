import LoamFFI

/// A service in this process: one foundation for apps in other processes, as `loamd` is. Linux and Android; iOS lets no app
/// serve another. Released with its last reference, which disconnects all clients; what they have installed stays in its
/// state folder.
public final class Host: Sendable {
    private let raw: LoamFFI.Host

    private init(_ raw: LoamFFI.Host) {
        self.raw = raw
    }

    /// Opens a foundation, and the folder `state` for the adapters of all apps, which is made where it is not there, for
    /// this user alone.
    ///
    /// - Throws: As ``Engine/open(_:options:)``; `LoamError.Io` where another service uses the folder;
    ///   `LoamError.Unsupported` on other systems.
    public static func open(
        _ foundation: String, state: String, options: EngineOptions = EngineOptions()
    ) async throws -> Host {
        try await Work.run { Host(try LoamFFI.Host.open(foundation: foundation, state: state, options: options)) }
    }

    /// Accepts clients of this user at a Unix socket that is made at `path`, on another thread, until the end.
    ///
    /// - Throws: `LoamError.Io` where something answers there or something else lies there.
    public func listen(at path: String) throws {
        try translated { try raw.listen(path: path) }
    }

    /// Serves the client at the other end of a connected Unix socket, on another thread, until it goes. The descriptor is
    /// the host's from now on, also when this throws. The client is `app`, whatever it says itself.
    ///
    /// - Throws: `LoamError.Refused` beyond a limit and after the end; `LoamError.Argument` for what is no connected Unix
    ///   socket.
    public func serve(descriptor: Int32, as app: String) throws {
        try translated { try raw.serveFd(fd: descriptor, app: app) }
    }

    /// Clients that are connected.
    public var connections: Int {
        Int(raw.connections())
    }

    /// Calls under way, of all clients.
    public var activeCalls: Int {
        Int(raw.activeCalls())
    }

    /// What is open, and which parts of it are loaded.
    public var foundation: FoundationInfo {
        get throws { try translated { try raw.foundation() } }
    }

    /// Gives memory back. What runs keeps what it has; whatever is needed later comes back by itself.
    @discardableResult
    public func trim(_ level: TrimLevel) -> Trimmed {
        raw.trim(level: level)
    }

    /// What the engine is doing, for all apps.
    public var status: EngineStatus {
        raw.status()
    }

    /// Where components run that are loaded and that delegates were asked for.
    public var places: [PlaceStatus] {
        raw.places()
    }

    /// Says how hot the device is and how it is powered, for all apps; as ``Engine/setConditions(_:)``.
    public func setConditions(_ conditions: Conditions) {
        raw.setConditions(conditions: conditions)
    }

    /// What the app `app` may ask for and hold.
    ///
    /// - Throws: As ``setQuotas(_:for:)``.
    public func quotas(for app: String) throws -> Quotas {
        try translated { try raw.quotas(app: app) }
    }

    /// Bounds what the app `app` may ask for and hold from now on, whether it is connected yet or not: the name that
    /// ``serve(descriptor:as:)`` is given, or that clients of ``listen(at:)`` give themselves.
    ///
    /// - Throws: `LoamError.Argument` for a name that no app can have.
    public func setQuotas(_ quotas: Quotas, for app: String) throws {
        try translated { try raw.setQuotas(app: app, quotas: quotas) }
    }

    /// Disconnects all clients, removes the sockets, and lets nobody in any more. May be called more than once.
    public func end() {
        raw.end()
    }
}
