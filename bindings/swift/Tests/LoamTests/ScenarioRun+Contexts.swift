//  Cases of conversations that are saved, of what apps may ask for, and of memory.

import Foundation
import Loam
import Testing

private let mail = "com.example.mail"

extension ScenarioRun {
    /// A folder that is there for as long as `work` runs.
    private func inFolder(_ work: (URL) async throws -> JSON) async throws -> JSON {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("loam-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await work(folder)
    }

    private func generated(_ app: App, _ prompt: String, _ options: GenerateOptions) async throws -> GenerateStats {
        try await collect(app.generate(prompt, options: options)).1
    }

    /// Goes on in another engine, as in another process.
    func save() async throws -> JSON {
        try await inFolder { folder in
            let file = folder.appendingPathComponent("chat")
            let session = try app.chat(instructions: args["instructions"].text, adapter: try await install(in: app))
            for turn in list("turns") { _ = try await collect(session.respond(turn, options: options())) }
            try await session.save(to: file.path)
            let next = try text("next")
            let (unbroken, _) = try await collect(session.respond(next, options: options()))

            let other = try await openTiny()
            let restored = try await other.restore(from: file.path, adapter: try await install(in: other))
            let (answer, stats) = try await collect(restored.respond(next, options: options()))
            let recomputed = try await other.restore(from: file.path, mismatch: .recompute)
            return [
                "text": .string(answer), "same": .bool(answer == unbroken), "reused": .bool(stats.cachedTokens > 0),
                "context": .string(stats.context.name), "messages": .of(try restored.messages.count),
                "other_adapter": await .failure { _ = try await other.restore(from: file.path) },
                "recomputed": .of(try recomputed.messages.count), "damaged": try await damaged(file),
            ]
        }
    }

    /// What becomes of a saved conversation with another bit, of half of one, and of none.
    private func damaged(_ file: URL) async throws -> JSON {
        func restore() async -> JSON {
            await .failure { _ = try await app.restore(from: file.path, mismatch: .recompute) }
        }
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: file)
        let flipped = await restore()
        try bytes.prefix(bytes.count / 2).write(to: file)
        let cut = await restore()
        try FileManager.default.removeItem(at: file)
        return [flipped, cut, await restore()]
    }

    func target() async throws -> JSON {
        var options = try options()
        let untold = try await generated(app, text("prompt"), options)
        options.target = Target(
            timeToFirstTokenMs: args["time_to_first_token_ms"].double, tokensPerSecond: args["tokens_per_second"].double)
        let stats = try await generated(app, text("prompt"), options)
        let achieved = stats.achieved.map { JSON.array([.of($0.timeToFirstToken), .of($0.tokensPerSecond)]) }
        return [
            "achieved": achieved ?? .null, "without": .bool(untold.achieved != nil),
            "context": .string(stats.context.name),
            "in_order": .bool(0 <= stats.queueMs && stats.queueMs <= stats.timeToFirstTokenMs),
        ]
    }

    func usage() async throws -> JSON {
        let stats = try await generated(app, text("prompt"), options())
        let usage = try app.usage
        let counters = usage.counters
        return [
            "named": .bool(usage.app?.hasSuffix(mail) == true), "waiting": .of(usage.waiting),
            "requests": .of(counters.requests), "refused": .of(counters.refused), "finished": .of(counters.finished),
            "generated": .of(counters.generatedTokens), "prompt": .bool(counters.promptTokens == stats.promptTokens),
            "quotas": usage.quotas.map(JSON.of) ?? .null,
        ]
    }

    func quotas() async throws -> JSON {
        let usual = try engine.quotas(for: mail)
        func ask() async throws -> GenerateStats { try await generated(app, text("prompt"), options()) }
        var quotas = usual
        quotas.tokensPerMinute = UInt64(try count("tokens_per_minute"))
        try engine.setQuotas(quotas, for: mail)
        _ = try await ask()
        let refused = try #require(await failure { _ = try await ask() })
        let later = if case .Refused(let wait, _, _) = refused { wait > 1000 } else { false }
        let counted = try app.usage.counters.refused
        quotas = usual
        quotas.adapters = 0
        try engine.setQuotas(quotas, for: mail)
        return [
            "usual": .bool(usual == Quotas()), "refused": [.string(refused.kind), .of(refused.code())],
            "named": .bool(refused.reason.contains("tokens per minute")), "later": .bool(later),
            "counted": .of(counted), "adapters": await .failure { _ = try await install(in: app) },
            "again": .bool(try await ask().generatedTokens > 0),
            "nobody": await .failure { try engine.setQuotas(usual, for: "no spaces") },
        ]
    }

    func trim() async throws -> JSON {
        let session = try app.chat()
        let (_, first) = try await collect(session.respond("Hello", options: options()))
        let before = try engine.status
        let trimmed = try engine.trim(.idle)
        let (_, second) = try await collect(session.respond("Why?", options: options()))
        return [
            "first": .string(first.context.name), "rests": .bool(before.held.resting > 0),
            "contexts": .bool(trimmed.contexts > 0), "second": .string(second.context.name),
            "apps": .of(before.apps.count), "finished": .of(try #require(before.apps.first).counters.finished),
            "steps": .bool(before.steps > 0), "components": .of(before.components),
        ]
    }

    func engineOptions() async throws -> JSON {
        func opened(_ options: EngineOptions) async throws -> App {
            try await Engine.open(Place.tiny, options: options).attach(mail)
        }
        let one = GenerateOptions(maxTokens: 1)
        func bytes(_ type: CacheType) async throws -> UInt64 {
            try await generated(opened(EngineOptions(cacheType: type)), "The cat", one).cacheBytes
        }
        let (singles, halves, quarters) = (try await bytes(.f32), try await bytes(.f16), try await bytes(.q8))
        let small = try await opened(EngineOptions(memoryBudget: 1))
        return try await inFolder { folder in
            let swapping = try await opened(EngineOptions(swap: folder.path))
            let session = try swapping.chat()
            _ = try await collect(session.respond("Hello", options: options()))
            try swapping.engine.trim(.idle)
            let (_, swapped) = try await collect(session.respond("Why?", options: options()))
            return [
                "swapped": .string(swapped.context.name),
                "small": await .failure { _ = try await generated(small, "The cat", one) },
                "types": [.bool(halves * 2 == singles), .bool(quarters < halves)],
            ]
        }
    }
}

extension JSON {
    fileprivate static func of(_ flag: Bool?) -> JSON { flag.map(JSON.bool) ?? .null }

    fileprivate static func of(_ quotas: Quotas) -> JSON {
        [
            .of(quotas.running), .of(quotas.waiting), .of(quotas.tokensPerMinute), .of(quotas.adapters),
            .of(quotas.adapterBytes), .of(quotas.contexts), .of(quotas.bytes),
        ]
    }
}
