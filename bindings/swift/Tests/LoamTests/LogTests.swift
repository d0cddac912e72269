import Foundation
import Loam
import Testing

/// One logger per process, so one test at a time.
@Suite(.serialized) struct LogTests {
    private struct Record: Sendable {
        let level: LogLevel
        let target: String
        let message: String
    }

    private final class Records: @unchecked Sendable {
        private let lock = NSLock()
        private var kept: [Record] = []

        func append(_ record: Record) { lock.withLock { kept.append(record) } }
        var all: [Record] { lock.withLock { kept } }
    }

    @Test func recordsReachTheSinkAndOnlyUpToTheLevel() async throws {
        let records = Records()
        try Log.to(.info) { records.append(Record(level: $0, target: $1, message: $2)) }
        _ = try await openTiny().embed(.text("x"))
        let heard = records.all
        #expect(heard.contains { $0.target.hasPrefix("loam") && $0.message.contains("text") && $0.level == .info })
        #expect(heard.allSatisfy { [.error, .warn, .info].contains($0.level) })

        try Log.to(.off) { records.append(Record(level: $0, target: $1, message: $2)) }
        // Of this engine alone: other tests run beside this one.
        let before = records.all.count
        _ = try await openTiny().embed(.text("x"))
        #expect(records.all.count == before)
    }

    @Test func aSinkThatThrowsHarmsNothing() async throws {
        final class Broken: LogSink {
            let called = Flag()
            func record(level: LogLevel, target: String, message: String) throws {
                called.raise()
                throw LoamError.Internal(reason: "the disk is full")
            }
        }
        let sink = Broken()
        try Log.to(sink, .trace)
        #expect(try await openTiny().embed(.text("x")).floats.count == 16)
        #expect(sink.called.isRaised)
        try Log.toPlatform(.off)
    }
}
