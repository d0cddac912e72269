import Foundation
import Loam

/// As many streams as an engine runs of one app, whose receivers wait: what comes behind them cannot begin.
final class Gate: EventSink, @unchecked Sendable {
    private static let streams = 8

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
