import CoreMotion
import Loam

/// Core Motion as a stream, half a second at a time.
@MainActor final class MotionSource {
    /// Samples per second.
    static let rate = 50.0

    private let manager = CMMotionManager()
    private let queue = OperationQueue()

    init() {
        queue.maxConcurrentOperationCount = 1
    }

    func start() -> AsyncStream<Motion> {
        let (pieces, continuation) = AsyncStream<Motion>.makeStream()
        guard manager.isDeviceMotionAvailable else {
            continuation.finish()
            return pieces
        }
        manager.deviceMotionUpdateInterval = 1 / Self.rate
        Self.deliver(from: manager, on: queue, continuation)
        return pieces
    }

    func stop() {
        manager.stopDeviceMotionUpdates()
    }

    /// Outside of the main actor: samples come on the queue's thread.
    private nonisolated static func deliver(
        from manager: CMMotionManager, on queue: OperationQueue, _ continuation: AsyncStream<Motion>.Continuation
    ) {
        let gathering = Gathering()
        manager.startDeviceMotionUpdates(to: queue) { sample, _ in
            guard let sample, let piece = gathering.take(sample) else { return }
            continuation.yield(piece)
        }
    }
}

/// Samples until there are enough to be worth a call. Only the queue's one thread uses it.
private final class Gathering: @unchecked Sendable {
    private static let enough = 25
    private var motion = Motion()

    func take(_ sample: CMDeviceMotion) -> Motion? {
        motion.append(sample)
        guard motion.timestamps.count >= Self.enough else { return nil }
        defer { motion = Motion() }
        return motion
    }
}
