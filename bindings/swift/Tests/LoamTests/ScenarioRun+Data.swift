//  Cases of pictures, texts, motion and speech.

import Foundation
import Loam
import Testing

extension ScenarioRun {
    func foundation() throws -> JSON {
        let info = try engine.foundation
        return [
            "id": .string(info.id), "version": .of(info.version),
            "components": .array(info.components.map { [.string($0.name), .string($0.kind)] }),
        ]
    }

    func classify() async throws -> JSON {
        let adapter = try await install(in: app)
        return .of(try await app.classify(input(), labels: list("labels"), adapter: adapter))
    }

    /// Pixels by a rule, as grey and as RGBA: the same picture.
    func pixels() async throws -> JSON {
        let (width, height) = (try count("width"), try count("height"))
        let grey = Data((0..<width * height).map { UInt8($0 * 7 % 256) })
        let rgba = Data(grey.flatMap { [$0, $0, $0, 255] })
        let one = try await app.embed(.pixels(grey, layout: .grey, width: width, height: height))
        let other = try await app.embed(.pixels(rgba, layout: .rgba, width: width, height: height))
        return ["first": .first(one), "same": .bool(one.vector == other.vector)]
    }

    func embed() async throws -> JSON {
        let result = try await app.embed(input())
        return ["dim": .of(result.floats.count), "first": .first(result), "trace": .of(result.trace)]
    }

    func retrieve() async throws -> JSON {
        let index = Index()
        for name in list("pictures") {
            try index.insert(await app.embed(.image(path: Place.file(name))), for: name)
        }
        let query = try await app.query(input(), among: .image)
        let found = try index.search(query, count: count("count"))
        return .array(found.map { [.string($0.key), .of($0.similarity)] })
    }

    func sense() async throws -> JSON {
        let adapter = try await install(in: app)
        // A window's worth.
        let window = Motion(samples: Array(try motion().prefix(50 * 6)))
        return .of(try await app.sense(.motion(window, source: walk), adapter: adapter))
    }

    func sensor() async throws -> JSON {
        let adapter = try await install(in: app)
        let sensor = try await app.sensor(source: walk, hopSeconds: args["hop_seconds"].double, adapter: adapter)
        let (samples, step) = (try motion(), try count("push_steps") * 6)
        let pieces = AsyncStream<Motion> { continuation in
            for start in stride(from: 0, to: samples.count, by: step) {
                continuation.yield(Motion(samples: Array(samples[start..<min(start + step, samples.count)])))
            }
            continuation.finish()
        }
        var windows: [JSON] = []
        let sensed = app.sense(pieces, source: walk, hopSeconds: args["hop_seconds"].double, adapter: adapter)
        for try await one in sensed {
            windows.append([.number(one.start), .number(one.end), .string(one.classification.label)])
        }
        return ["window_seconds": .number(sensor.windowSeconds), "windows": .array(windows)]
    }

    func transcribe() async throws -> JSON {
        let result = try await app.transcribe(input())
        return [
            "text": .string(result.text),
            "segments": .array(result.segments.map { [.number($0.start), .number($0.end), .string($0.text)] }),
            "seconds": .number(result.summary.seconds), "trace": .of(result.summary.trace),
        ]
    }

    func transcribeStream() async throws -> JSON {
        var (text, partials, seconds) = ("", 0, 0.0)
        for try await event in app.transcribeStream(try await input()) {
            switch event {
            case .segment(let segment): text += segment.text
            case .partial: partials += 1
            case .transcribed(let summary): seconds = summary.seconds
            default: Issue.record("\(event)")
            }
        }
        return ["text": .string(text), "partials": .of(partials), "seconds": .number(seconds)]
    }

    /// Twice: through the transcriber itself, and through the stream of chunks that wraps it.
    func transcriber() async throws -> JSON {
        let file = try Data(contentsOf: URL(fileURLWithPath: Place.file(text("sound"))))
        // The samples of a plain WAV file begin after 44 bytes.
        let (samples, step) = (file.dropFirst(44), 16 * 2 * (try count("chunk_ms")))
        let chunks = stride(from: samples.startIndex, to: samples.endIndex, by: step).map {
            Pcm(samples[$0..<min($0 + step, samples.endIndex)], format: .i16)
        }
        let transcriber = try await app.transcriber(sampleRate: 16_000)
        var events: [TranscriptEvent] = []
        for chunk in chunks { events += try await transcriber.push(chunk) }
        let end = try await transcriber.finish()
        events += end.events
        let text = events.map { if case .segment(let segment) = $0 { segment.text } else { "" } }.joined()
        let again = await JSON.failure { _ = try await transcriber.push(Pcm([0, 0] as [Int16])) }

        let microphone = AsyncStream { continuation in
            for chunk in chunks { continuation.yield(chunk) }
            continuation.finish()
        }
        #expect(try await app.transcribe(microphone, sampleRate: 16_000).text() == text)
        return ["text": .string(text), "seconds": .number(end.summary.seconds), "after_the_end": again]
    }

    func upscale() async throws -> JSON {
        let made = try await app.upscale(input())
        let mean = Double(made.pixels.reduce(0) { $0 + Int($1) }) / Double(made.pixels.count)
        return [
            "bytes": .of(made.pixels.count), "width": .of(made.width), "height": .of(made.height),
            "mean": .number(mean), "trace": .of(made.trace),
        ]
    }

    func speak() async throws -> JSON {
        let speech = try await app.speak(text("text"), options: SpeakOptions(seed: UInt64(try count("seed"))))
        let floats = speech.floats
        return [
            "samples": .of(floats.count), "sample_rate": .of(speech.sampleRate),
            "loudest": .of(floats.map(abs).max() ?? 0), "trace": .of(speech.trace),
        ]
    }
}
