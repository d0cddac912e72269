import Foundation
import Loam
import Observation

/// An adapter as a screen offers it.
public struct AdapterChoice: Identifiable, Hashable, Sendable {
    /// Its alias.
    public let id: String
    /// What it does, where its author says so.
    public let description: String?
    /// Its class names; none for one that writes text.
    public let labels: [String]
    /// Kind of the component that it acts on, such as `imu-encoder`.
    public let kind: String
    /// What it is for, such as `classify`, where its author says so.
    public let task: String?
}

/// The open engine, this app's place in it, and its adapters. The four screens share it.
@MainActor @Observable public final class Sample {
    /// What there is to work with.
    public enum State: Equatable, Sendable {
        case closed
        case opening
        case open(FoundationInfo)
        case failed(String)
    }

    public private(set) var state = State.closed
    /// Adapters that are installed, by alias.
    public private(set) var adapters: [AdapterChoice] = []
    /// Why others were not, by file name.
    public private(set) var refused: [String: String] = [:]
    @ObservationIgnored private(set) var app: App?

    public init() {}

    /// Opens a foundation, and installs every adapter of a folder. One that does not fit is named in ``refused`` and changes
    /// nothing else.
    public func open(foundation: URL, adapters folder: URL? = nil) async {
        (state, adapters, refused, app) = (.opening, [], [:], nil)
        do {
            let app = try await Engine.open(foundation.path).attach("dev.loam.sample")
            if let folder { await install(from: folder, in: app) }
            self.app = app
            let kinds = Dictionary(
                uniqueKeysWithValues: try app.engine.foundation.components.map { ($0.name, $0.kind) })
            adapters = try app.adapters.all.map {
                AdapterChoice(
                    id: $0.alias, description: $0.description, labels: $0.labels, kind: kinds[$0.component] ?? "",
                    task: $0.task)
            }
            state = .open(try app.engine.foundation)
        } catch {
            state = .failed(message(of: error))
        }
    }

    private func install(from folder: URL, in app: App) async {
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        for file in files.sorted(by: { $0.path < $1.path }) {
            do {
                try await app.adapters.install(path: file.path, policy: .upsert)
            } catch {
                refused[file.lastPathComponent] = message(of: error)
            }
        }
    }

    /// Adapters for classifying texts and pictures.
    public var classifiers: [AdapterChoice] {
        let kinds = ["backbone", "vision-language", "text-encoder", "image-encoder"]
        return adapters.filter { !$0.labels.isEmpty && kinds.contains($0.kind) }
    }

    /// Adapters for motion.
    public var senses: [AdapterChoice] {
        adapters.filter { !$0.labels.isEmpty && $0.kind == "imu-encoder" }
    }

    /// Adapters for conversations. One that answers about pictures has no screen here.
    public var voices: [AdapterChoice] {
        adapters.filter {
            $0.labels.isEmpty && $0.task != "answer" && ["backbone", "vision-language"].contains($0.kind)
        }
    }

    /// The app of the open engine.
    func attached() throws -> App {
        guard let app else { throw NotOpen() }
        return app
    }

    /// The current generation of the adapter of that alias; `nil` for none.
    func adapter(_ alias: String?) throws -> Adapter? {
        guard let alias else { return nil }
        return try attached().adapters.adapter(alias)
    }

    func readout(_ milliseconds: Double, _ trace: Trace, adapter: String?) -> Readout {
        Readout(milliseconds: milliseconds, trace: trace, adapter: adapter, memory: app?.engine.memory)
    }
}

struct NotOpen: Error {}

/// What a person is told of a failure.
func message(of error: any Error) -> String {
    switch error {
    case let error as LoamError: error.reason
    case is NotOpen: "No foundation is open."
    default: error.localizedDescription
    }
}
