import Foundation
import Loam
import Testing

@Suite struct ErrorTests {
    @Test func aReasonNamesTheValue() async throws {
        let failed = await failure { _ = try await Engine.open("/nowhere/at/all") }
        #expect(failed?.kind == "Io")
        #expect(failed?.code() == 3)
        #expect(failed?.reason.contains("/nowhere/at/all") == true)
        guard case .Io(let path, _)? = failed else { return }
        #expect(path == "/nowhere/at/all")
    }

    @Test func everyVariantHasItsReason() {
        let all: [LoamError] = [
            .Internal(reason: "r"), .Argument(name: "n", reason: "r"), .Io(path: "p", reason: "r"),
            .Malformed(what: "w", reason: "r"), .Unsupported(what: "w", reason: "r"), .Tensor(name: "n", reason: "r"),
            .Adapter(adapter: "a", reason: "r"), .UnknownAdapter(alias: "a", reason: "r"),
            .Digest(path: "p", reason: "r"), .ContextFull(tokens: 1, limit: 2, reason: "r"),
            .MissingComponent(kind: "k", reason: "r"), .Text(reason: "r"), .Callback(reason: "r"),
            .Memory(needed: 1, limit: 2, reason: "r"),
            .Refused(retryAfterMs: 1, waiting: 2, reason: "r"),
        ]
        #expect(all.allSatisfy { $0.reason == "r" })
        #expect(all.map { $0.code() } == Array(1...15))
    }

    @Test func anErrorOfAReceiverComesBackWithItsText() async throws {
        struct Full: Error, CustomStringConvertible {
            let description = "no room for a token"
        }
        let app = try await openTiny()
        let session = try app.chat()
        let listener = Listener(.throwing(Full()))
        let handle = try session.respond("Hello", options: GenerateOptions(maxTokens: 50), to: listener)
        let failed = await failure { try handle.wait() }
        #expect(failed?.kind == "Callback")
        #expect(failed?.reason.contains("no room for a token") == true)
        #expect(listener.texts == 1, "it was called again")
        // The history is as before, and the session is free.
        #expect(try session.messages.isEmpty)
        #expect(try await session.respond("Hello", options: GenerateOptions(maxTokens: 3)).text().isEmpty == false)
    }

    @Test func aPanicOfAStreamIsAnErrorAndTheEngineGoesOn() async throws {
        let app = try await openTiny()
        let listener = Listener()
        let handle = provokePanic(in: app, listener)
        let failed = await failure { try handle.wait() }
        #expect(failed?.kind == "Internal")
        #expect(failed?.reason == "provoked on a worker thread")
        #expect(try await app.embed(.text("still here")).floats.count == 16)
        #expect(try await becomesIdle(app.engine))
    }

    @Test func aPanicOfACallIsCaughtAtTheBorder() async throws {
        let app = try await openTiny()
        #expect(panicOnThisThread()?.contains("provoked on the caller's thread") == true)
        #expect(try await app.embed(.text("still here")).floats.count == 16)
    }

    @Test func aStreamThatCannotBeginFailsInItsLoop() async throws {
        let app = try await openTiny()
        let tilt = try await app.adapters.install(path: Place.adapter("tilt"))
        // An adapter of motion answers no question.
        let failed = await failure { _ = try await app.chat(adapter: tilt).respond("Hello").text() }
        #expect(failed?.kind == "Adapter")
    }
}
