#if os(Linux)
//  Engines in a service: the same table, and what only they do.

import Foundation
import Glibc
import Loam
import Testing

/// Kills the service at the first text.
private final class Killer: EventSink, @unchecked Sendable {
    private let daemon: Daemon

    init(_ daemon: Daemon) {
        self.daemon = daemon
    }

    func onEvent(event: Event) throws -> Bool {
        if case .text = event { daemon.kill() }
        return true
    }
}

@Suite(.serialized) struct ServiceTests {
    /// Dropping a component is the service's own affair.
    static let cases = Case.all.filter { $0.foundation == "tiny" && $0.op != "close" }

    static let mail = "com.example.mail"

    @Test(arguments: cases)
    func everyCaseThroughLoamd(_ one: Case) async throws {
        let daemon = try await Daemon()
        let app = try await Engine.connect(daemon.socket).attach(Self.mail)
        let found = try await ScenarioRun(app: app, args: one.args).outcome(one.op)
        if let difference = difference(at: "result", found, one.expect) { Issue.record("\(difference)") }
        withExtendedLifetime(daemon) {}
    }

    @Test func aServiceIsKilledAndStartsAgain() async throws {
        let daemon = try await Daemon()
        let engine = try await Engine.connect(daemon.socket)
        let app = try engine.attach(Self.mail)
        let voice = try await app.adapters.install(path: Place.adapter("voice"))
        let chat = try app.chat()
        #expect(try await !chat.respond("Hello", options: GenerateOptions(maxTokens: 4)).text().isEmpty)
        // A receiver that takes its time keeps the turn going until the kill.
        let handle = try chat.respond("Why?", options: GenerateOptions(maxTokens: 200), to: Killer(daemon))
        let ended = await failure { try handle.wait() }
        #expect(ended?.code() == 40)
        #expect(ended?.reason.contains("respond") == true)
        #expect(await failure { _ = try app.adapters.all }?.code() == 40)
        #expect(await failure { _ = try chat.messages }?.code() == 43)
        try await daemon.start()
        #expect(try app.adapters.all.map(\.generation) == [voice.generation])
        #expect(await failure { _ = try chat.messages }?.code() == 43)
        let again = try app.chat(adapter: voice)
        #expect(try await !again.respond("Hello", options: GenerateOptions(maxTokens: 4)).text().isEmpty)
        #expect(try engine.foundation.id == "tiny")
        #expect(!engine.unload("text"))
    }

    @Test func nobodyAnswers() async throws {
        let nobody = await failure { _ = try await Engine.connect(Place.file("nowhere")) }
        #expect(nobody?.code() == 40)
    }

    @Test func aDeadlineEndsWithWhatThereIs() async throws {
        let app = try await openTiny()
        func reason(_ deadline: UInt64) async throws -> FinishReason? {
            let options = GenerateOptions(maxTokens: 1_000, patienceMs: 10_000, deadlineMs: deadline)
            var reason: FinishReason?
            do {
                for try await event in app.generate("The cat", options: options) {
                    if case .done(let stats) = event { reason = stats.finishReason }
                }
            } catch LoamError.Refused {
                // Its turn has not come by then.
            }
            return reason
        }
        // The tiny model fills its window in some 20 ms, or in more on a busy machine.
        for _ in 0..<20 {
            for deadline in UInt64(1)..<50 where try await reason(deadline) == .deadline { return }
        }
        Issue.record("no deadline ended a stream")
    }

    @Test func aHostAndItsClientAtTheEndsOfASocketPair() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("loam-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let host = try await Host.open(Place.tiny, state: folder.appendingPathComponent("state").path)
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        try host.serve(descriptor: ends[0], as: Self.mail)
        let engine = try await Engine.connect(descriptor: ends[1], app: Self.mail)
        let other = await failure { _ = try engine.attach("com.example.other") }
        #expect(other?.reason.contains(Self.mail) == true)
        let app = try engine.attach(Self.mail)
        #expect(try await !app.chat().respond("Hello", options: GenerateOptions(maxTokens: 4)).text().isEmpty)
        #expect(host.connections == 1)
        #expect(host.activeCalls == 0)
        #expect(host.trim(.components).components.contains("vision-language"))
        #expect(host.status.apps.count == 1)
        try host.setQuotas(Quotas(waiting: 0), for: Self.mail)
        #expect(try host.quotas(for: Self.mail).waiting == 0)
        let refused = await failure { _ = try await app.chat().respond("Hello").text() }
        #expect(refused?.code() == 15)
        #expect(refused?.reason.contains("requests that wait") == true)
        #expect(try app.usage.counters.refused == 1)
        #expect(try app.usage.quotas?.waiting == 0)
        // An app is not who runs the service.
        #expect(await failure { try engine.setQuotas(Quotas(), for: Self.mail) }?.code() == 15)
        #expect(await failure { _ = try engine.status }?.code() == 15)
        try host.listen(at: folder.appendingPathComponent("socket").path)
        #expect(try await Engine.connect(folder.appendingPathComponent("socket").path).foundation.id == "tiny")
        host.end()
        #expect(await failure { _ = try app.adapters.all }?.code() == 40)
        #expect(await failure { _ = try app.adapters.all }?.reason.contains("another one") == true)
        #expect(await failure { _ = try await Engine.connect(descriptor: -1, app: Self.mail) }?.code() == 2)
    }
}
#endif
