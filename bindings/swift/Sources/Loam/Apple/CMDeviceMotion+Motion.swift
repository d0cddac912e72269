#if canImport(CoreMotion) && !os(macOS)
import CoreMotion
import LoamFFI

extension Motion {
    /// Adds what Core Motion gives at a time. The system has taken gravity out of `userAcceleration`; it is added again
    /// for a source whose gravity is `.included`, such as `ImuSource.ios(rate:)`.
    public mutating func append(_ sample: CMDeviceMotion, gravity: Gravity = .included) {
        let (user, down, rate) = (sample.userAcceleration, sample.gravity, sample.rotationRate)
        var acceleration = SIMD3(user.x, user.y, user.z)
        if gravity == .included { acceleration += SIMD3(down.x, down.y, down.z) }
        append(time: sample.timestamp, acceleration: acceleration, rotation: SIMD3(rate.x, rate.y, rate.z))
    }
}

extension Input {
    /// A window of motion that Core Motion recorded at about `rate` samples per second: in g, in the axes of iOS. Times
    /// are those of the samples.
    ///
    /// - Throws: As ``motion(_:source:repair:)``.
    public init(
        motion samples: [CMDeviceMotion], rate: Double, gravity: Gravity = .included, repair: Repair = .refuse
    ) throws {
        var motion = Motion()
        for sample in samples { motion.append(sample, gravity: gravity) }
        self = try .motion(motion, source: .ios(rate: rate, gravity: gravity), repair: repair)
    }
}
#endif
