import Foundation
import Loam
import Observation

/// The third screen: what the device's motion means, window by window.
@MainActor @Observable public final class SenseModel {
    /// Windows that are kept to be shown.
    public static let historyLength = 20

    /// Alias of the adapter whose head names activities; `nil` needs a foundation that names them itself.
    public var adapter: String?
    /// Time between the beginnings of two windows, in seconds.
    public var hopSeconds = 0.5
    /// The last windows, newest first.
    public private(set) var history: [Sensed] = []
    /// Latency is the time that the newest window's network ran.
    public private(set) var readout: Readout?
    public private(set) var failure: String?
    public private(set) var isSensing = false

    private let sample: Sample
    @ObservationIgnored private var sensing: Task<Void, any Error>?

    public init(_ sample: Sample) {
        self.sample = sample
    }

    /// What the device does now.
    public var activity: String? {
        history.first?.classification.label
    }

    /// Senses until the motion ends or ``stop()`` is called.
    public func sense<Pieces: AsyncSequence & Sendable>(_ motion: Pieces, source: ImuSource) async
    where Pieces.Element == Motion {
        guard !isSensing else { return }
        isSensing = true
        defer { isSensing = false }
        (history, readout, failure) = ([], nil, nil)
        let (alias, hop) = (adapter, hopSeconds)
        let task = Task {
            let windows = try sample.attached().sense(
                motion, source: source, repair: .interpolate(maxGapMs: 200), hopSeconds: hop,
                adapter: sample.adapter(alias))
            for try await window in windows { show(window, adapter: alias) }
        }
        sensing = task
        do {
            try await task.value
        } catch is CancellationError {
            // It was stopped.
        } catch {
            failure = message(of: error)
        }
    }

    public func stop() {
        sensing?.cancel()
    }

    private func show(_ window: Sensed, adapter: String?) {
        history = Array(([window] + history).prefix(Self.historyLength))
        let trace = window.classification.trace
        readout = sample.readout(trace.ms, trace, adapter: adapter)
    }
}
