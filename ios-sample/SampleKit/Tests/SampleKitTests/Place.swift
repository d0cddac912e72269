//  What the tests work on: the folder that `make scenarios` prepares.

import Foundation
import Loam
import SampleKit

enum Place {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static let scenarios =
        ProcessInfo.processInfo.environment["LOAM_SCENARIOS"].map { URL(fileURLWithPath: $0) }
        ?? repository.appendingPathComponent("target/scenarios")

    static let tiny = scenarios.appendingPathComponent("tiny")
    /// Adapters that were trained for loam-nano.
    static let trained = repository.appendingPathComponent("models/adapters")

    /// The real foundation, where it was pulled.
    static let nano: URL? = {
        let home =
            ProcessInfo.processInfo.environment["LOAM_HOME"].map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache/loam")
        let folder = home.appendingPathComponent("foundations/loam-nano")
        return FoundationFolder.first(in: [folder])
    }()

    static let adapters = scenarios.appendingPathComponent("adapters")

    static func bytes(_ name: String) throws -> Data {
        try Data(contentsOf: scenarios.appendingPathComponent(name))
    }

    /// Samples of a plain WAV file, which begin after 44 bytes.
    static func samples(_ name: String) throws -> Data {
        Data(try bytes(name).dropFirst(44))
    }

    /// Six values a sample, 50 samples a second.
    static func walk() throws -> [Float] {
        let bytes = try bytes("walk.f32")
        return bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
        }
    }
}

/// The tiny foundation with all its adapters.
@MainActor func openSample() async -> Sample {
    let sample = Sample()
    await sample.open(foundation: Place.tiny, adapters: Place.adapters)
    return sample
}

/// Waits until something of a model holds.
@MainActor func eventually(_ holds: () -> Bool) async throws -> Bool {
    for _ in 0..<5_000 {
        if holds() { return true }
        try await Task.sleep(nanoseconds: 1_000_000)
    }
    return false
}
