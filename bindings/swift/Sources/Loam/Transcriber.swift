import LoamFFI

/// A transcription of samples as they come, such as the 100 ms that a microphone gives at a time.
public final class Transcriber: Sendable {
    private let raw: LoamFFI.Transcriber

    init(_ raw: LoamFFI.Transcriber) {
        self.raw = raw
    }

    /// Takes mono samples and returns what became certain. Await each push before the next one: that keeps their order.
    ///
    /// - Throws: `LoamError.Argument` for bytes that are no whole samples, for a sample that is not finite, or after the
    ///   end.
    public func push(_ samples: Pcm) async throws -> [TranscriptEvent] {
        try await Work.run { [raw] in try raw.push(samples: samples.bytes, format: samples.format) }
    }

    /// Ends the stream: what is left, and what it took.
    ///
    /// - Throws: `LoamError.Argument` for a stream without a sample, or after the end.
    public func finish() async throws -> TranscriptEnd {
        try await Work.run { [raw] in try raw.finish() }
    }
}
