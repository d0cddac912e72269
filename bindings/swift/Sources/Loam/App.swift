//  What an app asks for at once. Its streams are in App+Streams.swift.

import LoamFFI

/// An app that is attached to an engine. It neither sees nor replaces the adapters of others. Safe from any thread; what
/// computes runs off the caller's thread.
public final class App: Sendable {
    let raw: LoamFFI.App
    /// The engine that it is attached to.
    public let engine: Engine

    init(_ raw: LoamFFI.App, of engine: Engine) {
        self.raw = raw
        self.engine = engine
    }

    /// Its name.
    public var id: String {
        raw.id()
    }

    /// What it is doing and what was done for it, with what it may ask for and hold.
    ///
    /// - Throws: What the connection to a service fails with.
    public var usage: AppStatus {
        get throws { try translated { try raw.usage() } }
    }

    /// Its adapters.
    public var adapters: Adapters {
        Adapters(app: raw)
    }

    /// Finds the label that fits `input`: by the adapter's head, by the labels' sentences, or by the checkpoint's own
    /// classifier.
    ///
    /// - Parameters:
    ///   - input: What to classify.
    ///   - labels: Label names; may be empty when the adapter or the checkpoint brings its own.
    ///   - template: Sentence around a label for zero-shot classification, `{}` standing for it.
    ///   - modality: What the input shows, where its kind does not tell.
    ///   - adapter: What answers instead of the bare foundation.
    /// - Throws: `LoamError.Argument` for labels or an input out of range; `LoamError.Adapter` for an adapter of another
    ///   component; `LoamError.MissingComponent`.
    public func classify(
        _ input: Input, labels: [String] = [], template: String? = nil, modality: Modality? = nil,
        adapter: Adapter? = nil
    ) async throws -> Classification {
        let options = LoamFFI.ClassifyOptions(labels: labels, template: template, modality: modality)
        return try await Work.run { [raw] in
            try raw.classify(input: input.raw, options: options, adapter: adapter?.raw)
        }
    }

    /// Tells what one window of motion means. ``sensor(source:repair:hopSeconds:labels:adapter:)`` cuts windows.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``.
    public func sense(_ window: Input, labels: [String] = [], adapter: Adapter? = nil) async throws -> Classification {
        try await classify(window, labels: labels, modality: .imu, adapter: adapter)
    }

    /// Turns an input into a vector of the space that all encoders share.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``.
    public func embed(_ input: Input, modality: Modality? = nil, adapter: Adapter? = nil) async throws -> Embedding {
        try await Work.run { [raw] in try raw.embed(input: input.raw, modality: modality, adapter: adapter?.raw) }
    }

    /// The vector by which `input` is looked up among embeddings of the kind `entries`: a text finds pictures.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``; `LoamError.Unsupported` for spaces that cannot be
    ///   compared.
    public func query(_ input: Input, among entries: Modality) async throws -> Embedding {
        try await Work.run { [raw] in try raw.query(input: input.raw, entries: entries) }
    }

    /// Finds named values of an input, by a regression head.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``.
    public func regress(_ input: Input, modality: Modality? = nil, adapter: Adapter? = nil) async throws -> Regression {
        try await Work.run { [raw] in try raw.regress(input: input.raw, modality: modality, adapter: adapter?.raw) }
    }

    /// Finds the named parts of a text, and what it is where the adapter tells, by an adapter's head of tags.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``.
    public func tag(_ text: String, adapter: Adapter) async throws -> Tagging {
        try await Work.run { [raw] in try raw.tag(text: text, adapter: adapter.raw) }
    }

    /// Finds what follows one another in an input, by an adapter's CTC head.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``.
    public func spell(_ input: Input, modality: Modality? = nil, adapter: Adapter) async throws -> Spelling {
        try await Work.run { [raw] in try raw.spell(input: input.raw, modality: modality, adapter: adapter.raw) }
    }

    /// Writes down what is said in a sound.
    ///
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``; `LoamError.Unsupported` for a foundation without a
    ///   recogniser.
    public func transcribe(
        _ sound: Input, options: TranscribeOptions = TranscribeOptions(), adapter: Adapter? = nil
    ) async throws -> Transcript {
        try await Work.run { [raw] in try raw.transcribe(input: sound.raw, options: options, adapter: adapter?.raw) }
    }

    /// Begins to write down a stream of mono samples at `sampleRate` Hz, which the caller feeds.
    ///
    /// - Throws: As ``transcribe(_:options:adapter:)``.
    public func transcriber(
        sampleRate: Int, options: TranscribeOptions = TranscribeOptions(), adapter: Adapter? = nil
    ) async throws -> Transcriber {
        let rate = UInt32(clamping: sampleRate)
        return try await Work.run { [raw] in
            Transcriber(try raw.transcriber(sampleRate: rate, options: options, adapter: adapter?.raw))
        }
    }

    /// Begins to tell what a device's motion means, window by window.
    ///
    /// - Parameters:
    ///   - source: How the samples are recorded.
    ///   - repair: What is done about samples that are not finite, and about gaps.
    ///   - hopSeconds: Time between the beginnings of two windows; windows side by side when absent.
    ///   - labels: As for ``classify(_:labels:template:modality:adapter:)``.
    ///   - adapter: As for ``classify(_:labels:template:modality:adapter:)``.
    /// - Throws: As ``classify(_:labels:template:modality:adapter:)``.
    public func sensor(
        source: ImuSource, repair: Repair = .refuse, hopSeconds: Double? = nil, labels: [String] = [],
        adapter: Adapter? = nil
    ) async throws -> Sensor {
        let options = LoamFFI.ClassifyOptions(labels: labels)
        return try await Work.run { [raw] in
            Sensor(
                try raw.sensor(
                    source: source, repair: repair, hopSeconds: hopSeconds, options: options, adapter: adapter?.raw))
        }
    }

    /// Says a text aloud.
    ///
    /// - Throws: `LoamError.MissingComponent` without a speech generator; `LoamError.Argument` for a text that it does not
    ///   read.
    public func speak(_ text: String, options: SpeakOptions = SpeakOptions()) async throws -> Speech {
        try await Work.run { [raw] in try raw.speak(text: text, options: options) }
    }

    /// Makes a picture larger, by the factor of the foundation's network for super-resolution.
    ///
    /// - Throws: `LoamError.MissingComponent` without one; `LoamError.Argument` for an input that is no picture, or would
    ///   become one of more than 48 million pixels.
    public func upscale(_ input: Input, adapter: Adapter? = nil) async throws -> Upscaled {
        try await Work.run { [raw] in try raw.upscale(input: input.raw, adapter: adapter?.raw) }
    }

    /// Begins a conversation. With an adapter that brings instructions of its own, these are used where none are given.
    ///
    /// - Throws: `LoamError.Refused` for too many conversations at a time; those of the connection to a service.
    public func chat(instructions: String? = nil, adapter: Adapter? = nil) throws -> Session {
        Session(try translated { try raw.chat(instructions: instructions, adapter: adapter?.raw) })
    }

    /// Goes on with a conversation that ``Session/save(to:)`` wrote to a file, with the adapter that it had.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - adapter: What the conversation was held with.
    ///   - mismatch: What is done where it was saved with other weights, or with another adapter.
    /// - Throws: `LoamError.Io`, `LoamError.Malformed` and `LoamError.Digest` for the file; `LoamError.Context` for other
    ///   weights or another adapter, where `mismatch` does not let them pass; `LoamError.Memory`.
    public func restore(
        from path: String, adapter: Adapter? = nil, mismatch: Mismatch = .refuse
    ) async throws -> Session {
        try await Work.run { [raw] in
            Session(try raw.restore(path: path, adapter: adapter?.raw, mismatch: mismatch))
        }
    }
}
