//  Defects on purpose. They are no part of the package's API, so tests reach below it.

import Foundation
import LoamFFI

@testable import Loam

/// A stream that panics on a worker thread.
func provokePanic(in app: Loam.App, _ sink: any EventSink) -> TaskHandle {
    provokePanicInWorker(app: app.raw, sink: sink)
}

/// The message of a panic on the caller's thread, as it is thrown; `nil` when nothing was.
func panicOnThisThread() -> String? {
    do {
        try LoamFFI.provokePanic()
        return nil
    } catch {
        return error.localizedDescription
    }
}
