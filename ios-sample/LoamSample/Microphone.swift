@preconcurrency import AVFoundation
import Loam

/// The microphone as a stream of mono samples, about 100 ms at a time.
@MainActor final class Microphone {
    struct Refused: LocalizedError {
        var errorDescription: String? { "The microphone may not be used: allow it in Settings." }
    }

    /// Chunks, and samples per second.
    struct Sound: Sendable {
        let chunks: AsyncStream<Pcm>
        let sampleRate: Int
    }

    private let engine = AVAudioEngine()

    func start() async throws -> Sound {
        guard await AVAudioApplication.requestRecordPermission() else { throw Refused() }
        let session = AVAudioSession.sharedInstance()
        try session.setCategory(.record, mode: .measurement)
        try session.setActive(true)
        let (chunks, continuation) = AsyncStream<Pcm>.makeStream()
        let format = engine.inputNode.outputFormat(forBus: 0)
        Self.install(on: engine.inputNode, format, continuation)
        engine.prepare()
        do {
            try engine.start()
        } catch {
            stop()
            throw error
        }
        return Sound(chunks: chunks, sampleRate: Int(format.sampleRate.rounded()))
    }

    func stop() {
        guard engine.isRunning else { return }
        engine.inputNode.removeTap(onBus: 0)
        engine.stop()
        try? AVAudioSession.sharedInstance().setActive(false)
    }

    /// Outside of the main actor: the tap is called on a thread of the audio system.
    private nonisolated static func install(
        on node: AVAudioInputNode, _ format: AVAudioFormat, _ continuation: AsyncStream<Pcm>.Continuation
    ) {
        let frames = AVAudioFrameCount(format.sampleRate / 10)
        node.installTap(onBus: 0, bufferSize: frames, format: format) { buffer, _ in
            // Microphones have one channel that matters; the transcriber takes one.
            guard let samples = buffer.floatChannelData?[0] else { return }
            let stride = buffer.format.isInterleaved ? Int(buffer.format.channelCount) : 1
            let chunk = (0..<Int(buffer.frameLength)).map { samples[$0 * stride] }
            continuation.yield(Pcm(chunk))
        }
    }
}
