//  Every call is safe from any thread, and many at once give what one alone gives.

import Foundation
import Loam
import Testing

@Suite struct ThreadTests {
    @Test func manyTasksGetWhatOneGets() async throws {
        let app = try await openTiny()
        let tilt = try await app.adapters.install(path: Place.adapter("tilt"))
        let steps = (0..<300).map { Float($0 % 17) / 4 }
        let expectedVector = try await app.embed(.text("two cats")).vector
        let expectedLabel = try await app.sense(.motion(Motion(samples: steps), source: walk), adapter: tilt).label
        let expectedText = try await app.chat().respond("Hello", options: GenerateOptions(maxTokens: 8)).text()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for i in 0..<120 {
                group.addTask {
                    switch i % 4 {
                    case 0: #expect(try await app.embed(.text("two cats")).vector == expectedVector)
                    case 1:
                        let window = try Input.motion(Motion(samples: steps), source: walk)
                        #expect(try await app.sense(window, adapter: tilt).label == expectedLabel)
                    case 2:
                        let text = try await app.chat().respond("Hello", options: GenerateOptions(maxTokens: 8)).text()
                        #expect(text == expectedText)
                    default:
                        // Components go and come back below the others.
                        app.engine.unload(["text", "imu", "vision-language"][i % 3])
                        _ = try app.engine.foundation
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await becomesIdle(app.engine))
    }

    @Test func plainThreadsMayCallAtOnce() async throws {
        let app = try await openTiny()
        let index = Index()
        let vector = try await app.embed(.text("one")).floats
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: 64) { i in
            do {
                try index.insert(vector, for: "\(i)")
                let own = try app.engine.attach("com.example.app\(i)")
                let others = try own.adapters.all
                if own.id != "com.example.app\(i)" || !others.isEmpty { failures.add("app \(i)") }
                let sound = try Input.pcm(Pcm([Int16](repeating: Int16(i), count: 4_000)), sampleRate: 16_000)
                if sound.kind.isEmpty { failures.add("kind \(i)") }
            } catch {
                failures.add("\(error)")
            }
        }
        #expect(failures.all == [])
        #expect(index.count == 64)
    }

    @Test func objectsAreFreedWithTheirLastReference() async throws {
        weak var engine: Engine?
        weak var session: Session?
        weak var listener: Listener?
        do {
            let app = try await openTiny()
            let chat = try app.chat()
            _ = try await chat.respond("Hello", options: GenerateOptions(maxTokens: 4)).text()
            let own = Listener()
            try chat.respond("Hello", options: GenerateOptions(maxTokens: 4), to: own)
            await chat.waitForTurn()
            (engine, session, listener) = (app.engine, chat, own)
            #expect(engine != nil && session != nil && own.texts > 0)
        }
        #expect(engine == nil)
        #expect(session == nil)
        // The engine's side lets its receiver go before the stream counts as over.
        #expect(listener == nil)
    }
}

final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [String] = []

    func add(_ failure: String) { lock.withLock { kept.append(failure) } }
    var all: [String] { lock.withLock { kept } }
}
