import Foundation
import Loam
import Observation

/// The second screen: speech into text, while it is spoken.
@MainActor @Observable public final class DictateModel {
    /// What is final.
    public private(set) var text = ""
    /// What may still grow.
    public private(set) var partial = ""
    /// Latency is the time from the end of the sound to the last word.
    public private(set) var readout: Readout?
    /// Seconds of work per second of sound.
    public private(set) var realTimeFactor: Double?
    public private(set) var failure: String?
    public private(set) var isListening = false

    private let sample: Sample
    @ObservationIgnored private var microphone: Task<Void, Never>?

    public init(_ sample: Sample) {
        self.sample = sample
    }

    /// Listens until the microphone ends or ``stop()`` is called, and then until the last word is there.
    public func listen<Microphone: AsyncSequence & Sendable>(to chunks: Microphone, sampleRate: Int) async
    where Microphone.Element == Pcm {
        guard !isListening else { return }
        isListening = true
        defer { isListening = false }
        (text, partial, readout, realTimeFactor, failure) = ("", "", nil, nil, nil)
        let (relay, continuation) = AsyncThrowingStream<Pcm, any Error>.makeStream()
        let silence = Silence()
        // Stopping ends the sound in its order, so that what was said last is still heard.
        microphone = Task {
            do {
                for try await chunk in chunks { continuation.yield(chunk) }
                silence.begin()
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        defer { microphone?.cancel() }
        do {
            for try await event in try sample.attached().transcribe(relay, sampleRate: sampleRate) {
                switch event {
                case .partial(let words): partial = words
                case .segment(let segment): (text, partial) = (text + segment.text, "")
                case .transcribed(let summary):
                    realTimeFactor = summary.realTimeFactor
                    readout = sample.readout(silence.milliseconds, summary.trace, adapter: nil)
                case .text, .done, .failed: break
                }
            }
        } catch {
            failure = message(of: error)
        }
    }

    /// Ends the sound; ``listen(to:sampleRate:)`` returns when the last word is there.
    public func stop() {
        microphone?.cancel()
    }
}

/// The moment in which the sound ended.
@MainActor private final class Silence {
    private var stopwatch: Stopwatch?

    func begin() {
        stopwatch = Stopwatch()
    }

    var milliseconds: Double {
        stopwatch?.milliseconds ?? 0
    }
}
