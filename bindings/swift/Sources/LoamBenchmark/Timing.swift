//  Rounds, and the table of what they took.

import Foundation

private let rounds = 7

/// Best time of one call, in microseconds.
func best(_ calls: Int, _ body: () -> Void) -> Double {
    (0..<rounds).map { _ in
        let start = DispatchTime.now()
        for _ in 0..<calls { body() }
        return microseconds(since: start) / Double(calls)
    }.min() ?? 0
}

/// As ``best(_:_:)``, for calls that are awaited.
func best(_ calls: Int, _ body: () async throws -> Void) async throws -> Double {
    var least = Double.infinity
    for _ in 0..<rounds {
        let start = DispatchTime.now()
        for _ in 0..<calls { try await body() }
        least = min(least, microseconds(since: start) / Double(calls))
    }
    return least
}

/// Best time of one call less the milliseconds that it says to have worked, in microseconds.
func bestDifference(_ calls: Int, _ body: () async throws -> Double) async throws -> Double {
    var least = Double.infinity
    for _ in 0..<calls {
        let start = DispatchTime.now()
        let worked = try await body() * 1_000
        least = min(least, microseconds(since: start) - worked)
    }
    return least
}

private func microseconds(since start: DispatchTime) -> Double {
    Double(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1_000
}

struct Rows {
    private var rows: [(String, String, Double)] = []

    mutating func add(_ what: String, _ how: String, _ microseconds: Double) {
        rows.append((what, how, microseconds))
    }

    var markdown: String {
        let head = "| what | how | microseconds |\n|---|---|---|\n"
        return head + rows.map { "| \($0) | \($1) | \(String(format: "%.2f", $2)) |" }.joined(separator: "\n")
    }
}
