import Foundation
import LoamFFI

extension LoamError {
    /// The whole message: a sentence that names the value that was wrong.
    public var reason: String {
        switch self {
        case .Io(_, let reason), .Malformed(_, let reason), .Unsupported(_, let reason), .Tensor(_, let reason),
            .Adapter(_, let reason), .UnknownAdapter(_, let reason), .Digest(_, let reason),
            .ContextFull(_, _, let reason), .Argument(_, let reason), .Memory(_, _, let reason),
            .Refused(_, _, let reason),
            .MissingComponent(_, let reason), .Text(let reason), .Callback(let reason), .Internal(let reason),
            .Context(let reason), .Disconnected(_, let reason), .Version(_, _, let reason), .Protocol(let reason),
            .Lost(_, let reason), .Delegate(_, let reason):
            reason
        }
    }
}

extension LoamError: LocalizedError {
    /// The whole message.
    public var errorDescription: String? {
        reason
    }
}
