//  Cases of adapters and apps, of what is refused, and of what fails.

import Foundation
import Loam
import LoamFFICore
import Testing

extension ScenarioRun {
    func policies() async throws -> JSON {
        func install(_ policy: InstallPolicy) async throws -> Adapter {
            try #require(try await self.install(in: app, policy))
        }
        let first = try await install(.create)
        let again = await JSON.failure { _ = try await install(.create) }
        let second = try await install(.upsert)
        let stale = await JSON.failure { _ = try await install(.compareAndSwap(generation: first.generation)) }
        let third = try await install(.compareAndSwap(generation: second.generation))
        // A generation that was replaced stays usable by who holds it.
        let session = try app.chat(adapter: first)
        let (_, stats) = try await collect(session.respond("Hello", options: GenerateOptions(maxTokens: 4)))
        let name = first.alias
        let listed = try app.adapters.all.map(\.alias)
        try app.adapters.remove(name)
        let removed = await JSON.failure { _ = try app.adapters.adapter(name) }
        return [
            "grows": .bool(first.generation < second.generation && second.generation < third.generation),
            "again": again, "stale": stale, "held": .bool(stats.adapter?.generation == first.generation),
            "listed": .of(listed), "removed": removed, "component": .string(first.component),
            "description": .of(first.description),
        ]
    }

    func apps() async throws -> JSON {
        let other = try engine.attach("com.example.other")
        let name = try text("adapter")
        _ = try await install(in: app)
        let unseen = await JSON.failure { _ = try other.adapters.adapter(name) }
        _ = try await install(in: other)
        try app.adapters.remove(name)
        let bad = await JSON.failure { _ = try engine.attach("no spaces") }
        return [
            "ids": .of([app.id, other.id]), "unseen": unseen, "kept": .string(try other.adapters.adapter(name).alias),
            "bad": bad,
        ]
    }

    func refuse() async throws -> JSON {
        let refused = await JSON.failure { _ = try await install(in: app) }
        return ["refused": refused, "installed": .of(try app.adapters.all.count)]
    }

    func badData() async throws -> JSON {
        let picture = try Data(contentsOf: URL(fileURLWithPath: Place.file("square.png")))
        let sound = try Input.pcm(Pcm([0, 1] as [Int16]), sampleRate: 16_000)
        func pcm(_ samples: Pcm, rate: Int = 16_000) async -> JSON {
            await .failure { _ = try Input.pcm(samples, sampleRate: rate) }
        }
        return [
            "no_foundation": await .failure { _ = try await Engine.open(Place.file("nowhere")) },
            "half_a_picture": await .failure { _ = try await Input.image(encoded: picture.prefix(picture.count / 2)) },
            "no_picture": await .failure { _ = try await Input.image(encoded: Data("hello".utf8)) },
            "few_pixels": await .failure { _ = try Input.pixels(Data(count: 5), layout: .rgb, width: 2, height: 2) },
            "no_sample": await pcm(Pcm([] as [Int16])),
            "half_a_sample": await pcm(Pcm(Data([0]), format: .i16)),
            "not_a_number": await pcm(Pcm([Float.nan])),
            "wrong_rate": await pcm(Pcm([0] as [Int16]), rate: 5),
            "one_step": await .failure { _ = try Input.motion(Motion(samples: [0, 0, 0, 0, 0, 0]), source: walk) },
            "no_text": await .failure { _ = try await app.transcribe(.text("x")) },
            "no_label": await .failure { _ = try await app.classify(.text("x")) },
            "other_kind": await .failure { _ = try await app.embed(sound, modality: .depth) },
        ]
    }

    func callback() async throws -> JSON {
        let message = try text("message")
        let listener = Listener(.throwing(LoamError.Callback(reason: message)))
        let session = try app.chat()
        let handle = try session.respond("Hello", options: GenerateOptions(maxTokens: 50), to: listener)
        let failed = await failure { try handle.wait() }
        let told = if case .failed? = listener.events.last { true } else { false }
        return [
            "kind": .of(failed?.kind), "named": .bool(failed?.reason.contains(message) ?? false), "told": .bool(told),
            "answers": .bool(try await answers()),
        ]
    }

    func panic() async throws -> JSON {
        let listener = Listener()
        let handle = provokePanic(in: app, listener)
        let failed = await failure { try handle.wait() }
        return [
            "caught": .bool(panicOnThisThread() != nil), "kind": .of(failed?.kind),
            "answers": .bool(try await answers()),
        ]
    }

    func close() async throws -> JSON {
        _ = try await answers()
        func loaded() throws -> Bool {
            try engine.foundation.components.contains { $0.name == "vision-language" && $0.loaded }
        }
        let before = try loaded()
        let unloaded = engine.unload("vision-language")
        _ = try await becomesIdle(engine)
        return [
            "before": .bool(before), "unloaded": .bool(unloaded), "after": .bool(try loaded()),
            "active": .of(engine.activeStreams), "answers": .bool(try await answers()),
        ]
    }
}
