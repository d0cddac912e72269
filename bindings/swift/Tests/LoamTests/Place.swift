//  Where the tests find what they work on.

import Foundation
import Loam
import Testing

enum Place {
    /// The repository, seen from this file.
    static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func variable(_ name: String) -> URL? {
        ProcessInfo.processInfo.environment[name].map { URL(fileURLWithPath: $0) }
    }

    /// What `make scenarios` prepares.
    static let scenarios = variable("LOAM_SCENARIOS") ?? repository.appendingPathComponent("target/scenarios")

    /// The service's program, which `make ffi` builds beside the library.
    static let loamd = (variable("LOAM_LIBRARY") ?? repository.appendingPathComponent("target/release"))
        .appendingPathComponent("loamd").path

    /// A foundation of random models of a few kilobytes.
    static let tiny = scenarios.appendingPathComponent("tiny").path

    /// The real foundation, where it was pulled.
    static let nano: String? = {
        let home =
            variable("LOAM_HOME")
            ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache/loam")
        let path = home.appendingPathComponent("foundations/loam-nano").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    /// Why a test of the real foundation is skipped.
    static let noNano: Comment = "loam-nano is not there: run `loam pull loam-nano`"

    /// The library of ONNX Runtime, which `delegates/setup.sh` fetches; none where it was not fetched.
    static let runtime: String? = {
        guard let path = variable("LOAM_ONNXRUNTIME")?.path else { return nil }
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    /// Why a test of delegates is skipped.
    static let noRuntime: Comment = "LOAM_ONNXRUNTIME names no file: run delegates/setup.sh"

    static func foundation(_ name: String) -> String? {
        name == "nano" ? nano : scenarios.appendingPathComponent(name).path
    }

    static func file(_ name: String) -> String {
        scenarios.appendingPathComponent(name).path
    }

    static func adapter(_ name: String) -> String {
        let own = scenarios.appendingPathComponent("adapters/\(name)").path
        if FileManager.default.fileExists(atPath: own) { return own }
        return repository.appendingPathComponent("models/adapters/\(name)").path
    }
}

/// An app on the tiny foundation, opened anew.
func openTiny() async throws -> App {
    try await Engine.open(Place.tiny).attach("com.example.mail")
}

/// Waits until no stream of the engine runs: a worker counts as idle a moment after its stream's end.
func becomesIdle(_ engine: Engine, within seconds: Double = 10) async throws -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while engine.activeStreams > 0 {
        if Date() > end { return false }
        try await Task.sleep(nanoseconds: 1_000_000)
    }
    return true
}

/// The error that `body` throws; a failure of the test when it throws none of ours.
func failure(_ body: () async throws -> Void) async -> LoamError? {
    do {
        try await body()
    } catch let error as LoamError {
        return error
    } catch {
        Issue.record("another kind of error: \(error)")
        return nil
    }
    Issue.record("it was accepted")
    return nil
}
