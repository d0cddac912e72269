//  Where the engine's blocking calls run.
//
//  A call that computes for a second must hold neither the main thread nor a thread of Swift's cooperative pool, which
//  has one per core. So all of them run on a queue of their own.

import Foundation
import LoamFFI

enum Work {
    /// Calls that compute side by side at most. The engine computes one thing at a time; the others prepare their input.
    private static let width = 4

    private static let queue: OperationQueue = {
        let queue = OperationQueue()
        queue.name = "dev.loam.calls"
        queue.maxConcurrentOperationCount = width
        queue.qualityOfService = .userInitiated
        return queue
    }()

    /// Runs `body` off the caller's thread. A task that is cancelled before its call began gets a `CancellationError`; a
    /// call that has begun is finished.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try Task.checkCancellation()
        let isCancelled = Locked(false)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.addOperation {
                    continuation.resume(
                        with: Result {
                            if isCancelled.value { throw CancellationError() }
                            return try translated(body)
                        })
                }
            }
        } onCancel: {
            isCancelled.value = true
        }
    }
}

/// Calls `body`; whatever it throws that is neither a `LoamError` nor a cancellation becomes `LoamError.Internal`. A panic
/// of the engine reaches Swift as an error type that is private to the generated code.
func translated<Value>(_ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as LoamError {
        throw error
    } catch let error as CancellationError {
        throw error
    } catch {
        throw LoamError.Internal(reason: error.localizedDescription)
    }
}

/// A value behind a lock. The standard library's own `Mutex` needs newer systems than this package does.
final class Locked<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var guarded: Value

    init(_ value: Value) {
        guarded = value
    }

    var value: Value {
        get { lock.withLock { guarded } }
        set { lock.withLock { guarded = newValue } }
    }
}
