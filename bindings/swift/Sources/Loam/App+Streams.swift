//  What an app asks for as a stream: text as it is generated, speech and motion as they are understood.
//
//  The last element of a stream of events is `.done` or `.transcribed`; a failure is thrown. Cancelling the task that
//  listens, or leaving the loop, stops the work within one token.

import LoamFFI

extension App {
    /// Continues a text as it stands.
    public func generate(
        _ prompt: String, options: GenerateOptions = GenerateOptions(), adapter: Adapter? = nil
    ) -> AsyncThrowingStream<Event, any Error> {
        .events { raw.generate(prompt: prompt, options: options, adapter: adapter?.raw, sink: $0) }
    }

    /// Answers a question about inputs.
    public func answer(
        _ question: String, about inputs: [Input], options: GenerateOptions = GenerateOptions(),
        adapter: Adapter? = nil
    ) -> AsyncThrowingStream<Event, any Error> {
        .events {
            raw.answer(
                inputs: inputs.map(\.raw), question: question, options: options, adapter: adapter?.raw, sink: $0)
        }
    }

    /// Describes an input.
    public func caption(
        _ input: Input, options: GenerateOptions = GenerateOptions(), adapter: Adapter? = nil
    ) -> AsyncThrowingStream<Event, any Error> {
        .events { raw.caption(input: input.raw, options: options, adapter: adapter?.raw, sink: $0) }
    }

    /// Writes down what is said in a sound, as it is understood.
    public func transcribeStream(
        _ sound: Input, options: TranscribeOptions = TranscribeOptions(), adapter: Adapter? = nil
    ) -> AsyncThrowingStream<Event, any Error> {
        .events { raw.transcribeStream(input: sound.raw, options: options, adapter: adapter?.raw, sink: $0) }
    }

    /// Writes down mono samples at `sampleRate` Hz as they come, such as a microphone's. The stream ends when `chunks` do,
    /// or fails with what they throw.
    public func transcribe<Chunks: AsyncSequence & Sendable>(
        _ chunks: Chunks, sampleRate: Int, options: TranscribeOptions = TranscribeOptions(), adapter: Adapter? = nil
    ) -> AsyncThrowingStream<Event, any Error> where Chunks.Element == Pcm {
        AsyncThrowingStream { continuation in
            let listening = Task {
                do {
                    let transcriber = try await self.transcriber(
                        sampleRate: sampleRate, options: options, adapter: adapter)
                    for try await chunk in chunks {
                        for event in try await transcriber.push(chunk) { continuation.yield(event.event) }
                    }
                    let end = try await transcriber.finish()
                    for event in end.events { continuation.yield(event.event) }
                    continuation.yield(.transcribed(summary: end.summary))
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in listening.cancel() }
        }
    }

    /// Tells what motion means as it comes, window by window. The stream ends when `motion` does, or fails with what it
    /// throws.
    public func sense<Pieces: AsyncSequence & Sendable>(
        _ motion: Pieces, source: ImuSource, repair: Repair = .refuse, hopSeconds: Double? = nil,
        labels: [String] = [], adapter: Adapter? = nil
    ) -> AsyncThrowingStream<Sensed, any Error> where Pieces.Element == Motion {
        AsyncThrowingStream { continuation in
            let sensing = Task {
                do {
                    let sensor = try await self.sensor(
                        source: source, repair: repair, hopSeconds: hopSeconds, labels: labels, adapter: adapter)
                    for try await piece in motion {
                        for sensed in try await sensor.push(piece) { continuation.yield(sensed) }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in sensing.cancel() }
        }
    }
}

extension TranscriptEvent {
    fileprivate var event: Event {
        switch self {
        case .segment(let segment): .segment(segment: segment)
        case .partial(let text): .partial(text: text)
        }
    }
}
