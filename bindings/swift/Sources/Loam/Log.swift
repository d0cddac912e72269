import LoamFFI

/// Where log records of the engine go. Nothing is logged before one of these is called; the last call counts.
public enum Log {
    /// Logs to the platform's own log: the unified log on Apple's systems, standard error on Linux.
    ///
    /// - Throws: `LoamError.Unsupported` when other Rust code of the process has set a logger.
    public static func toPlatform(_ level: LogLevel) throws {
        try translated { try logToPlatform(level: level) }
    }

    /// Logs to a sink, which is called on any thread. What it throws is dropped.
    ///
    /// - Throws: As ``toPlatform(_:)``.
    public static func to(_ sink: any LogSink, _ level: LogLevel) throws {
        try translated { try logTo(level: level, sink: sink) }
    }

    /// Logs to a closure: level, part of the engine, message. It is called on any thread and must not block.
    ///
    /// - Throws: As ``toPlatform(_:)``.
    public static func to(
        _ level: LogLevel, _ receive: @escaping @Sendable (LogLevel, String, String) -> Void
    ) throws {
        try to(Receiver(receive: receive), level)
    }
}

private final class Receiver: LogSink {
    private let receive: @Sendable (LogLevel, String, String) -> Void

    init(receive: @escaping @Sendable (LogLevel, String, String) -> Void) {
        self.receive = receive
    }

    func record(level: LogLevel, target: String, message: String) throws {
        receive(level, target, message)
    }
}
