import LoamFFI

/// One foundation and the apps that use it: in this process (``open(_:options:)``), or in a service for all apps of a
/// device (``connect(_:)``). What is asked of it is the same from then on. Safe from any thread; released with its last
/// reference.
public final class Engine: Sendable {
    let raw: LoamFFI.Engine
    /// What tells it of the device, for as long as it lives.
    private let watch: (any Sendable)?

    init(_ raw: LoamFFI.Engine, watch: (any Sendable)? = nil) {
        self.raw = raw
        self.watch = watch
    }

    /// Opens a foundation directory, a GGUF file or a Hugging Face directory. Maps files, and loads no component yet.
    ///
    /// - Throws: `LoamError.Io`, `LoamError.Malformed`, `LoamError.Unsupported` or `LoamError.Digest` for its files;
    ///   `LoamError.Unsupported` naming a delegate that this system or this build does not have.
    public static func open(_ path: String, options: EngineOptions = EngineOptions()) async throws -> Engine {
        try await Work.run {
            let raw = try LoamFFI.Engine.open(path: path, options: options)
            return Engine(raw, watch: watchDevice(for: raw))
        }
    }

    /// Connects to the service (`loamd`, or a ``Host``) that listens on the Unix socket at `path`. Linux and Android.
    ///
    /// When it ends, calls under way throw `LoamError.Disconnected` and the next ones connect again, for up to two seconds.
    /// Adapters are there then; sessions, transcribers and sensors throw `LoamError.Lost`.
    ///
    /// - Throws: `LoamError.Disconnected` where nobody answers, `LoamError.Version` for a service of another protocol,
    ///   `LoamError.Refused` beyond its limits, `LoamError.Unsupported` on other systems.
    public static func connect(_ path: String) async throws -> Engine {
        try await Work.run { Engine(try LoamFFI.Engine.connect(path: path)) }
    }

    /// Uses the service at the other end of a connected Unix socket. The descriptor is the engine's from now on, also when
    /// this throws. One socket is one app: `app` is the only name that can be attached. When the connection has ended,
    /// every call throws `LoamError.Disconnected`: nothing can be connected to again.
    ///
    /// - Throws: As ``connect(_:)``; `LoamError.Argument` for what is no connected Unix socket, and for the name.
    public static func connect(descriptor: Int32, app: String) async throws -> Engine {
        // In a task of its own: one that was cancelled would not begin, and leave the descriptor to nobody.
        try await Task { try await Work.run { Engine(try LoamFFI.Engine.connectFd(fd: descriptor, app: app)) } }.value
    }

    /// Attaches the app `id`, such as `com.example.mail`. Its adapters are its own; in a service they are those of the app
    /// of this name and this user.
    ///
    /// - Throws: `LoamError.Argument` for a name with other characters than letters, digits, `.`, `-` and `_`.
    public func attach(_ id: String) throws -> App {
        App(try translated { try raw.attach(id: id) }, of: self)
    }

    /// What is open, and which parts of it are loaded.
    ///
    /// - Throws: What the connection to a service fails with.
    public var foundation: FoundationInfo {
        get throws { try translated { try raw.foundation() } }
    }

    /// Drops a component, which comes back when it is needed; whether it was loaded. What a service has loaded is its own to
    /// drop: then nothing is done.
    @discardableResult
    public func unload(_ component: String) -> Bool {
        raw.unload(component: component)
    }

    /// What the engine is doing, for all apps. In a service for the user that runs it, and for root.
    ///
    /// - Throws: `LoamError.Refused` for others; what the connection to a service fails with.
    public var status: EngineStatus {
        get throws { try translated { try raw.status() } }
    }

    /// Gives memory back, as `UIApplication.didReceiveMemoryWarningNotification` asks apps to. What runs keeps what it has;
    /// whatever is needed later comes back by itself.
    ///
    /// - Throws: As ``status``.
    @discardableResult
    public func trim(_ level: TrimLevel) throws -> Trimmed {
        try translated { try raw.trim(level: level) }
    }

    /// Says how hot the device is and how it is powered, which changes how many threads work and whether background requests
    /// are taken; those that were taken before go on, and no result changes. On Apple's systems engines that this process opens
    /// hear of it by themselves, and the system's next report replaces what is said here.
    ///
    /// - Throws: `LoamError.Unsupported` for an engine in a service, whose own process says it.
    public func setConditions(_ conditions: Conditions) throws {
        try translated { try raw.setConditions(conditions: conditions) }
    }

    /// Where components run that are loaded and that delegates were asked for (`EngineOptions.delegates`); none of an engine
    /// without delegates.
    ///
    /// - Throws: As ``status``.
    public var places: [PlaceStatus] {
        get throws { try translated { try raw.places() } }
    }

    /// Loads `component`, and returns when its delegates are ready or were given up; ``places`` tells which. The processor
    /// serves until then, so that nobody has to wait.
    ///
    /// - Throws: `LoamError.MissingComponent` for a name that the foundation does not have; `LoamError.Unsupported` for an
    ///   engine in a service, which prepares components when apps first use them.
    public func waitForDelegates(of component: String) async throws {
        try await Work.run { try self.raw.waitForDelegates(component: component) }
    }

    /// What the app `id` may ask for and hold.
    ///
    /// - Throws: As ``setQuotas(_:for:)``.
    public func quotas(for id: String) throws -> Quotas {
        try translated { try raw.quotas(id: id) }
    }

    /// Bounds what the app `id` may ask for and hold from now on, whether it is attached yet or not; in a service the app of
    /// this name of any user.
    ///
    /// - Throws: As ``status``; `LoamError.Argument` for a name that no app can have.
    public func setQuotas(_ quotas: Quotas, for id: String) throws {
        try translated { try raw.setQuotas(id: id, quotas: quotas) }
    }

    /// Streams that wait or run, without those that others have begun in a service.
    public var activeStreams: Int {
        Int(raw.activeStreams())
    }

    /// Memory of this process, where the system tells. A foundation in a service is not in it.
    public var memory: ProcessMemory? {
        measuredMemory
    }

    /// Version of the library.
    public static var version: String {
        LoamFFI.version()
    }
}
