//  A sink that keeps what it hears.

import Foundation
import Loam

final class Listener: EventSink, @unchecked Sendable {
    /// What it does with the events of a stream.
    enum Manner: Sendable {
        /// Takes them all.
        case patient
        /// Calls `stop` at the n-th text, as another thread of an app does.
        case stops(Int)
        /// Fails at the first text.
        case throwing(any Error)
    }

    private let manner: Manner
    private let changed = NSCondition()
    private var heard: [Event] = []
    private var handle: TaskHandle?

    init(_ manner: Manner = .patient) {
        self.manner = manner
    }

    /// Names the stream that it listens to, for one that stops it.
    func listens(to handle: TaskHandle) {
        changed.lock()
        self.handle = handle
        changed.broadcast()
        changed.unlock()
    }

    var events: [Event] {
        changed.withLock { heard }
    }

    /// All texts, joined.
    var text: String {
        events.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }

    var texts: Int {
        events.count { if case .text = $0 { true } else { false } }
    }

    /// What the stream cost; `nil` before its end, and where it failed.
    var stats: GenerateStats? {
        if case .done(let stats)? = events.last { stats } else { nil }
    }

    func onEvent(event: Event) throws -> Bool {
        changed.withLock { heard.append(event) }
        guard case .text = event else { return true }
        switch manner {
        case .patient: return true
        case .throwing(let error): throw error
        case .stops(let after):
            if texts == after { awaitHandle().stop() }
            return true
        }
    }

    /// The handle is there only a moment after the stream began.
    private func awaitHandle() -> TaskHandle {
        changed.lock()
        defer { changed.unlock() }
        while handle == nil { changed.wait() }
        return handle!
    }
}
