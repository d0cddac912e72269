import Foundation
import Loam

/// What every screen shows beside its result: how long it took, which path ran, with which adapter, in how much memory.
public struct Readout: Equatable, Sendable {
    /// From the request to the result, in ms. Each screen says what it counts.
    public let milliseconds: Double
    /// Number of the data-flow path, 1 to 4.
    public let path: Int
    /// Components that ran, in order.
    public let components: [String]
    /// Alias of the adapter; `nil` for the bare foundation.
    public let adapter: String?
    /// Bytes that only this process holds; `nil` where the system does not tell.
    public let memory: UInt64?

    init(milliseconds: Double, trace: Trace, adapter: String?, memory: ProcessMemory?) {
        self.milliseconds = milliseconds
        path = Int(trace.path)
        components = trace.steps.map(\.component)
        self.adapter = adapter
        self.memory = memory?.anonymous
    }

    /// Such as `12.3 ms`.
    public var latencyText: String {
        String(format: milliseconds < 100 ? "%.1f ms" : "%.0f ms", milliseconds)
    }

    /// Such as `path 3: image, text`.
    public var pathText: String {
        "path \(path): " + components.joined(separator: ", ")
    }

    /// The adapter's alias, or that there is none.
    public var adapterText: String {
        adapter ?? "no adapter"
    }

    /// Such as `210 MB`.
    public var memoryText: String {
        guard let memory else { return "memory unknown" }
        return String(format: "%.0f MB", Double(memory) / 1e6)
    }
}

/// Time since a moment, in ms.
struct Stopwatch: Sendable {
    private let start = DispatchTime.now().uptimeNanoseconds

    var milliseconds: Double {
        Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
    }
}
