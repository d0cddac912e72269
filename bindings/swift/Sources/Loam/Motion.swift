import LoamFFI

/// Motion of a device: acceleration and rotation over time.
public struct Motion: Sendable, Hashable {
    /// Values of all samples, one sample after another, in the order of the source's layout.
    public private(set) var samples: [Float]
    /// Time of each sample in seconds; empty where samples are evenly spaced.
    public private(set) var timestamps: [Double]

    /// Motion that is recorded already.
    public init(samples: [Float] = [], timestamps: [Double] = []) {
        self.samples = samples
        self.timestamps = timestamps
    }

    /// Adds a sample of an accelerometer and a gyroscope, at `time` seconds.
    public mutating func append(time: Double, acceleration: SIMD3<Double>, rotation: SIMD3<Double>) {
        timestamps.append(time)
        for value in [
            acceleration.x, acceleration.y, acceleration.z, rotation.x, rotation.y, rotation.z,
        ] {
            samples.append(Float(value))
        }
    }
}
