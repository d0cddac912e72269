import Foundation
import Loam

/// A `loamd` of its own, as cargo built it, on the tiny foundation. It may be killed and started again.
final class Daemon: @unchecked Sendable {
    private let folder: URL
    private var process: Process?

    var socket: String { folder.appendingPathComponent("socket").path }

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("loam-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try await start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    func start() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Place.loamd)
        process.arguments = [
            "--foundation", Place.tiny, "--socket", socket, "--state", folder.appendingPathComponent("state").path,
        ]
        process.environment = ["LOAM_LOG": "off"]
        try process.run()
        self.process = process
        let end = Date().addingTimeInterval(20)
        while true {
            do {
                _ = try await Engine.connect(socket)
                return
            } catch LoamError.Disconnected where Date() < end {
                try await Task.sleep(nanoseconds: 5_000_000)
            }
        }
    }

    /// As a crash ends it.
    func kill() {
        guard let process else { return }
        _ = Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }
}
