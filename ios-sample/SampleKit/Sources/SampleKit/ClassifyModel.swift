import Foundation
import Loam
import Observation

/// The first screen: a photo or a text, and which label fits it.
@MainActor @Observable public final class ClassifyModel {
    /// What is classified.
    public enum Subject: Equatable, Sendable {
        case text(String)
        /// The bytes of a PNG, JPEG or WebP file.
        case photo(Data)
    }

    public var subject: Subject?
    /// Labels to choose from, separated by commas. An adapter's own are used where there are none.
    public var labels = ""
    /// Alias of the adapter that answers; `nil` for the bare foundation.
    public var adapter: String?
    /// Labels of the last result, most probable first.
    public private(set) var scores: [LabelScore] = []
    /// Latency counts the decoding of the photo, too.
    public private(set) var readout: Readout?
    public private(set) var failure: String?
    public private(set) var isBusy = false

    private let sample: Sample

    public init(_ sample: Sample) {
        self.sample = sample
    }

    /// Whether there is something to classify.
    public var canClassify: Bool {
        switch subject {
        case .text(let text): !isBusy && !text.isEmpty
        case .photo(let bytes): !isBusy && !bytes.isEmpty
        case nil: false
        }
    }

    public func classify() async {
        guard canClassify, let subject else { return }
        isBusy = true
        defer { isBusy = false }
        (scores, readout, failure) = ([], nil, nil)
        let (stopwatch, adapter) = (Stopwatch(), adapter)
        do {
            let app = try sample.attached()
            let input: Input =
                switch subject {
                case .text(let text): .text(text)
                case .photo(let bytes): try await .image(encoded: bytes)
                }
            let result = try await app.classify(input, labels: labelList, adapter: sample.adapter(adapter))
            scores = result.scores
            readout = sample.readout(stopwatch.milliseconds, result.trace, adapter: adapter)
        } catch {
            failure = message(of: error)
        }
    }

    private var labelList: [String] {
        labels.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
}
