//  Numbers and the packed bytes that cross to the engine: f32 and f64, little-endian, which is the order of every system
//  that Swift runs on.

import Foundation
import LoamFFI

extension Array where Element: BitwiseCopyable {
    /// Lends the values as bytes, without a copy. The bytes must not outlive `body`.
    func withBytes<Result>(_ body: (Data) throws -> Result) rethrows -> Result {
        try withUnsafeBytes { values in
            guard let start = values.baseAddress, values.count > 0 else { return try body(Data()) }
            let bytes = Data(
                bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: values.count, deallocator: .none)
            return try body(bytes)
        }
    }
}

extension Data {
    /// Packed f32 as numbers; the bytes need not be aligned.
    var floats: [Float] {
        let count = count / MemoryLayout<Float>.stride
        return [Float](unsafeUninitializedCapacity: count) { values, initialized in
            copyBytes(to: UnsafeMutableRawBufferPointer(values), from: startIndex..<startIndex + count * 4)
            initialized = count
        }
    }
}

extension Embedding {
    /// The vector as numbers: unit length. One copy of `vector`.
    public var floats: [Float] {
        vector.floats
    }
}

extension Speech {
    /// The samples as numbers, within -1 to 1. One copy of `samples`.
    public var floats: [Float] {
        samples.floats
    }
}
