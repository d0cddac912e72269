import Foundation
import Loam

/// As many streams as an engine runs of one app, whose receivers wait: what comes behind them cannot begin.
final class Gate: EventSink, @unchecked Sendable {
    private static let streams = 8

    private let isOpen = NSCondition()
    private var opened = false

    init(before app: App) throws {
        for _ in 0..<Self.streams { try app.chat().respond("Hello", options: GenerateOptions(maxTokens: 200), to: self) }
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
        while !opened { isOpen.wait() }
        return true
    }
}
