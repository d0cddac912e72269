//  Defects on purpose. They are no part of the package's API, so tests reach below it.

import LoamFFI
import LoamFFICore

@testable import Loam

/// A stream that panics on a worker thread.
func provokePanic(in app: Loam.App, _ sink: any EventSink) -> TaskHandle {
    provokePanicInWorker(app: app.raw, sink: sink)
}

/// The message of a panic on the caller's thread, as it comes back across the border; `nil` when nothing was caught. The
/// generated function does not throw, and would end the process on any failure, so this calls what it calls.
func panicOnThisThread() -> String? {
    // The code that UniFFI gives a caught panic.
    let unexpected: Int8 = 2
    var status = RustCallStatus(code: 0, errorBuf: RustBuffer(capacity: 0, len: 0, data: nil))
    uniffi_loam_ffi_fn_func_provoke_panic(&status)
    guard status.code == unexpected, let start = status.errorBuf.data else { return nil }
    let message = String(decoding: UnsafeBufferPointer(start: start, count: Int(status.errorBuf.len)), as: UTF8.self)
    var freed = RustCallStatus(code: 0, errorBuf: RustBuffer(capacity: 0, len: 0, data: nil))
    ffi_loam_ffi_rustbuffer_free(status.errorBuf, &freed)
    return message
}
