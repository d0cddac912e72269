//  The engine's streams as Swift's: events of a worker thread become elements of an AsyncThrowingStream, its failure
//  becomes the stream's, and who stops listening stops the work.

import LoamFFI

extension AsyncThrowingStream where Element == Event, Failure == any Error {
    /// The stream of the work that `start` begins. It begins at once, also when nobody listens yet.
    static func events(_ start: (any EventSink) throws -> TaskHandle) -> Self {
        AsyncThrowingStream { continuation in
            do {
                let handle = try translated { try start(Relay(continuation)) }
                continuation.onTermination = { _ in handle.stop() }
            } catch {
                continuation.finish(throwing: error)
            }
        }
    }

    /// Everything that the stream says, as one text; waits for its end.
    ///
    /// - Throws: What the stream fails with; `CancellationError` where the task was cancelled before the stream's end, which
    ///   a loop of one's own would see as an end without `.done`.
    public func text() async throws -> String {
        var (text, isWhole) = ("", false)
        for try await event in self {
            switch event {
            case .text(let piece): text += piece
            case .segment(let segment): text += segment.text
            // A task's cancellation stops the engine, whose last word may come before the stream ends.
            case .done(let stats): isWhole = stats.finishReason != .stopped || !Task.isCancelled
            case .transcribed: isWhole = true
            case .partial, .failed: break
            }
        }
        guard isWhole else { throw CancellationError() }
        return text
    }
}

extension Event {
    /// The text that it brings: what is new of a generation, or the words of a stretch of speech, which are final in
    /// `.segment` and a beginning in `.partial`.
    public var text: String? {
        switch self {
        case .text(let text), .partial(let text): text
        case .segment(let segment): segment.text
        case .done, .transcribed, .failed: nil
        }
    }
}

/// Hands the events of one stream on. It holds neither the session nor the handle: a cycle across the two languages would
/// never be freed.
private final class Relay: EventSink {
    private let continuation: AsyncThrowingStream<Event, any Error>.Continuation

    init(_ continuation: AsyncThrowingStream<Event, any Error>.Continuation) {
        self.continuation = continuation
    }

    func onEvent(event: Event) throws -> Bool {
        switch event {
        case .failed(let error):
            continuation.finish(throwing: error)
            return false
        case .done, .transcribed:
            continuation.yield(event)
            continuation.finish()
            return false
        case .text, .partial, .segment:
            if case .terminated = continuation.yield(event) { return false }
            return true
        }
    }
}
