import LoamFFI

/// Tells what a device's motion means, window by window, from samples as they come.
public final class Sensor: Sendable {
    private let raw: LoamFFI.Sensor

    init(_ raw: LoamFFI.Sensor) {
        self.raw = raw
    }

    /// Length of a window in seconds.
    public var windowSeconds: Double {
        raw.windowSeconds()
    }

    /// Takes motion and returns the results of the windows that it completes. Await each push before the next one: that
    /// keeps their order.
    ///
    /// - Throws: `LoamError.Argument` for values that are no whole samples, and for gaps that the repair does not allow;
    ///   after a gap call ``restart()`` and push again.
    public func push(_ motion: Motion) async throws -> [Sensed] {
        try await Work.run { [raw] in
            try motion.samples.withBytes { samples in
                try motion.timestamps.withBytes { times in try raw.push(samples: samples, timestamps: times) }
            }
        }
    }

    /// Forgets the samples at hand: a new stream begins.
    ///
    /// - Throws: `LoamError.Lost`, and what the connection to a service fails with.
    public func restart() throws {
        try translated { try raw.restart() }
    }
}
