import Foundation
import LoamFFI

/// Samples of sound in memory, packed as the engine reads them.
public struct Pcm: Sendable, Hashable {
    /// The samples, little-endian.
    public let bytes: Data
    /// How a sample is read.
    public let format: PcmFormat

    /// Samples that are packed already. Shares the bytes.
    public init(_ bytes: Data, format: PcmFormat) {
        self.bytes = bytes
        self.format = format
    }

    /// Samples in -1 to 1. Copies them once.
    public init(_ samples: [Float]) {
        self.init(samples.withUnsafeBytes { Data($0) }, format: .f32)
    }

    /// Signed 16-bit samples. Copies them once.
    public init(_ samples: [Int16]) {
        self.init(samples.withUnsafeBytes { Data($0) }, format: .i16)
    }
}
