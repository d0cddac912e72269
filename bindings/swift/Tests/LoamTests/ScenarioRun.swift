//  One case of the table, run through the package. Its brothers are run.rs, ScenarioTest.kt and test_scenarios.py.

import Foundation
import Loam
import Testing

struct ScenarioRun {
    let app: App
    let args: JSON

    var engine: Engine { app.engine }

    /// What the operation of that name gives.
    func outcome(_ op: String) async throws -> JSON {
        switch op {
        case "foundation": try foundation()
        case "classify": try await classify()
        case "pixels": try await pixels()
        case "embed": try await embed()
        case "retrieve": try await retrieve()
        case "sense": try await sense()
        case "sensor": try await sensor()
        case "transcribe": try await transcribe()
        case "transcribe_stream": try await transcribeStream()
        case "transcriber": try await transcriber()
        case "speak": try await speak()
        case "upscale": try await upscale()
        case "chat": try await chat()
        case "generate": try await generate()
        case "answer": try await answer()
        case "stop": try await stop()
        case "busy": try await busy()
        case "policies": try await policies()
        case "apps": try await apps()
        case "refuse": try await refuse()
        case "bad_data": try await badData()
        case "callback": try await callback()
        case "panic": try await panic()
        case "close": try await close()
        case "save": try await save()
        case "target": try await target()
        case "usage": try await usage()
        case "quotas": try await quotas()
        case "trim": try await trim()
        case "options": try await engineOptions()
        default: throw UnknownOperation(name: op)
        }
    }

    func text(_ name: String) throws -> String { try #require(args[name].text, "a text '\(name)'") }
    func count(_ name: String) throws -> Int { Int(try #require(args[name].double, "a number '\(name)'")) }
    func list(_ name: String) -> [String] { args[name].list.compactMap(\.text) }

    /// The adapter that the case names, installed; `nil` where it names none.
    func install(in app: App, _ policy: InstallPolicy = .create) async throws -> Adapter? {
        guard let name = args["adapter"].text else { return nil }
        return try await app.adapters.install(path: Place.adapter(name), as: name, policy: policy)
    }

    func input() async throws -> Input {
        if let text = args["text"].text { return .text(text) }
        if let file = args["picture"].text { return try await .image(path: Place.file(file)) }
        if let file = args["sound"].text { return try await .sound(path: Place.file(file)) }
        return try .motion(Motion(samples: motion()), source: walk)
    }

    /// Values of the recording: six a sample.
    func motion() throws -> [Float] {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: Place.file(text("motion"))))
        return bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
        }
    }

    func options() throws -> GenerateOptions {
        GenerateOptions(maxTokens: UInt32(try count("max_tokens")))
    }

    /// Whether the engine still does.
    func answers() async throws -> Bool {
        var generated: UInt64 = 0
        for try await event in try app.chat().respond("Hello", options: GenerateOptions(maxTokens: 3)) {
            if case .done(let stats) = event { generated = stats.generatedTokens }
        }
        return generated > 0
    }
}

struct UnknownOperation: Error {
    let name: String
}

let walk = ImuSource.android(rate: 50)

extension JSON {
    /// Kind of the failure that is expected, and its code.
    static func failure(of body: () async throws -> Void) async -> JSON {
        do {
            try await body()
            return "it was accepted"
        } catch let error as LoamError {
            return [.string(error.kind), .of(error.code())]
        } catch {
            return .string("another kind of error: \(error)")
        }
    }

    static func of(_ trace: Trace) -> JSON {
        ["path": .of(trace.path), "steps": .of(trace.steps.map(\.component))]
    }

    static func of(_ result: Classification) -> JSON {
        [
            "label": .string(result.label),
            "scores": .array(result.scores.map { [.string($0.label), .of($0.probability)] }),
            "trace": .of(result.trace),
        ]
    }

    static func first(_ embedding: Embedding) -> JSON {
        .of(embedding.floats.prefix(4))
    }
}

extension LoamError {
    /// As the variant is called.
    var kind: String {
        Mirror(reflecting: self).children.first?.label ?? "\(self)"
    }
}

extension FinishReason {
    /// As the table calls it.
    var name: String { capitalized(self) }
}

extension ContextSource {
    /// As the table calls it.
    var name: String { capitalized(self) }
}

private func capitalized(_ variant: some Sendable) -> String {
    let name = "\(variant)"
    return name.prefix(1).uppercased() + name.dropFirst()
}
