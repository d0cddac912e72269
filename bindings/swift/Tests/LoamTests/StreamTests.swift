//  Streams that are listened to, left, cancelled and stopped: none is cut short, and none runs on.

import Foundation
import Loam
import Testing

@Suite struct StreamTests {
    /// What becomes of a stream.
    enum Fate: CaseIterable, Sendable {
        /// Listened to until its end.
        case heard
        /// Its loop is left after some texts.
        case left
        /// The task that listens is cancelled at some time.
        case cancelled
        /// The session is told to stop after some texts; the stream ends in its order.
        case stopped
        /// Nobody ever listens.
        case dropped
    }

    private static let options = GenerateOptions(maxTokens: 40)

    @Test func fourHundredStreamsAreWholeOrStopped() async throws {
        let app = try await openTiny()
        let whole = try await app.chat().respond("Hello", options: Self.options).text()
        try #require(whole.count > 20, "a text that can be cut")
        var random = Seeded(seed: 20_26)
        let plans = (0..<400).map { i in
            (
                Fate.allCases[i % Fate.allCases.count], Int.random(in: 1...20, using: &random),
                UInt64.random(in: 0..<20_000_000, using: &random)
            )
        }
        // Eight at a time: more than the engine's threads, so that some are stopped while they wait.
        let counts = try await withThrowingTaskGroup(of: (Fate, Bool).self) { group in
            var counts: [Fate: (all: Int, short: Int)] = [:]
            var waiting = plans.makeIterator()
            func next() {
                guard let (fate, after, nanoseconds) = waiting.next() else { return }
                group.addTask { (fate, try await live(app, fate, after, nanoseconds, whole)) }
            }
            for _ in 0..<8 { next() }
            while let (fate, short) = try await group.next() {
                counts[fate, default: (0, 0)].all += 1
                counts[fate, default: (0, 0)].short += short ? 1 : 0
                next()
            }
            return counts
        }
        #expect(counts.values.map(\.all).reduce(0, +) == 400)
        #expect(counts[.heard]?.short == 0)
        // That stops come in time, and the test is not one of streams that had ended anyway.
        #expect(counts[.stopped]!.short > 0)
        #expect(counts[.cancelled]!.short > 0)
        #expect(counts[.dropped]!.short > 0)
        #expect(try await becomesIdle(app.engine))
        print(
            "400 streams:",
            counts.map { "\($0.key) \($0.value.all), \($0.value.short) cut" }.sorted().joined(separator: "; "))
    }

    /// Lives through one stream; whether it was cut short.
    private func live(_ app: App, _ fate: Fate, _ after: Int, _ nanoseconds: UInt64, _ whole: String) async throws -> Bool {
        let session = try app.chat()
        switch fate {
        case .heard:
            let heard = try await session.respond("Hello", options: Self.options).text()
            #expect(heard == whole, "a stream was truncated")
            return heard != whole
        case .left:
            var (heard, texts) = ("", 0)
            for try await event in session.respond("Hello", options: Self.options) {
                if case .text(let text) = event { heard += text; texts += 1 }
                if texts == after { break }
            }
            #expect(whole.utf8.starts(with: heard.utf8))
            await session.waitForTurn()
            let said = try #require(try session.messages.last).text
            #expect(whole.utf8.starts(with: said.utf8) && said.utf8.starts(with: heard.utf8), "the history lost text")
            return said != whole
        case .cancelled:
            let listening = Task {
                var heard = ""
                for try await event in session.respond("Hello", options: Self.options) {
                    if case .text(let text) = event { heard += text }
                }
                return heard
            }
            try await Task.sleep(nanoseconds: nanoseconds)
            listening.cancel()
            let heard = try await listening.value
            #expect(whole.utf8.starts(with: heard.utf8))
            await session.waitForTurn()
            return heard != whole
        case .stopped:
            var (heard, texts, reason) = ("", 0, FinishReason?.none)
            for try await event in session.respond("Hello", options: Self.options) {
                switch event {
                case .text(let text):
                    heard += text
                    texts += 1
                    if texts == after { session.stop() }
                case .done(let stats): reason = stats.finishReason
                default: Issue.record("\(event)")
                }
            }
            #expect(whole.utf8.starts(with: heard.utf8))
            // A stop at the last token finds the text whole.
            #expect(reason == .stopped || (reason == .maxTokens && heard == whole))
            return heard != whole
        case .dropped:
            _ = session.respond("Hello", options: Self.options)
            await session.waitForTurn()
            // One that was stopped while it waited left no trace.
            guard let last = try session.messages.last, last.role == .assistant else { return true }
            #expect(whole.utf8.starts(with: last.text.utf8))
            return last.text != whole
        }
    }

    @Test func whatIsStoppedWhileItWaitsSaysNothing() async throws {
        let app = try await openTiny()
        let gate = try await Gate(before: app)
        let dropped = try app.chat()
        _ = dropped.respond("Hello", options: Self.options)
        // What is stopped while it waits does not wait for those before it.
        await dropped.waitForTurn()
        let cancelled = try app.chat()
        let reading = Task { try await cancelled.respond("Hello", options: Self.options).text() }
        while app.engine.activeStreams < Gate.streams + 1 { try await Task.sleep(nanoseconds: 100_000) }
        reading.cancel()
        // Not half a text, which would look like a whole one.
        await #expect(throws: CancellationError.self) { try await reading.value }
        await cancelled.waitForTurn()
        gate.open()
        for session in [dropped, cancelled] {
            #expect(try session.messages.allSatisfy { $0.role == .user || $0.text.isEmpty })
        }
        #expect(try await becomesIdle(app.engine))
    }

    @Test(.enabled(if: Place.nano != nil, Place.noNano))
    func aRealModelStopsWhenItsLoopIsLeft() async throws {
        let app = try await Engine.open(#require(Place.nano)).attach("com.example.mail")
        let session = try app.chat()
        var heard = ""
        // Minutes of work, were it not stopped.
        for try await event in session.respond("Count to 5000.", options: GenerateOptions(maxTokens: 4_000)) {
            if case .text(let text) = event { heard += text }
            if heard.count > 10 { break }
        }
        #expect(try await becomesIdle(app.engine, within: 5))
        let said = try #require(try session.messages.last).text
        #expect(said.utf8.starts(with: heard.utf8))
        #expect(said.count < heard.count + 200, "it went on for long: \(said)")
    }

    @Test func aTaskThatWasCancelledBeforeItsCallDoesNotCall() async throws {
        let app = try await openTiny()
        let call = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await app.embed(.text("x"))
        }
        await #expect(throws: CancellationError.self) { try await call.value }
    }

    @Test func aMicrophoneThatIsLeftStopsTheTranscription() async throws {
        let app = try await openTiny()
        let second = Pcm([Int16](repeating: 0, count: 16_000).indices.map { Int16($0 % 200 * 100) })
        let isDone = Flag()
        // It never ends by itself.
        func microphone() -> AsyncStream<Pcm> {
            AsyncStream { continuation in
                continuation.onTermination = { _ in isDone.raise() }
                for _ in 0..<50 { continuation.yield(second) }
            }
        }
        var heard = 0
        for try await _ in app.transcribe(microphone(), sampleRate: 16_000) {
            heard += 1
            if heard == 1 { break }
        }
        #expect(heard == 1)
        for _ in 0..<2_000 where !isDone.isRaised { try await Task.sleep(nanoseconds: 1_000_000) }
        #expect(isDone.isRaised, "the microphone is still on")
    }

    @Test func whatTheChunksThrowEndsTheStream() async throws {
        struct Unplugged: Error {}
        let app = try await openTiny()
        let chunks = AsyncThrowingStream<Pcm, any Error> { continuation in
            continuation.yield(Pcm([Int16](repeating: 9, count: 1_600)))
            continuation.finish(throwing: Unplugged())
        }
        await #expect(throws: Unplugged.self) { try await app.transcribe(chunks, sampleRate: 16_000).text() }
    }
}

/// As many streams as an engine runs of one app, whose receivers wait: what comes behind them cannot begin.
private final class Gate: EventSink, @unchecked Sendable {
    static let streams = 8

    private let isOpen = NSCondition()
    private var opened = false
    private var waiting = 0

    /// Returns when all of them have begun.
    init(before app: App) async throws {
        for _ in 0..<Self.streams { try app.chat().respond("Hello", options: GenerateOptions(maxTokens: 200), to: self) }
        while isOpen.withLock({ waiting }) < Self.streams { try await Task.sleep(nanoseconds: 100_000) }
    }

    func open() {
        isOpen.lock()
        opened = true
        isOpen.broadcast()
        isOpen.unlock()
    }

    func onEvent(event: Event) throws -> Bool {
        isOpen.lock()
        defer { isOpen.unlock() }
        waiting += 1
        while !opened { isOpen.wait() }
        return true
    }
}

final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var raised = false

    func raise() { lock.withLock { raised = true } }
    var isRaised: Bool { lock.withLock { raised } }
}
