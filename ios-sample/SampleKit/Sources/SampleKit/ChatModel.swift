import Foundation
import Loam
import Observation

/// The fourth screen: a conversation that streams, under an adapter that can be picked.
@MainActor @Observable public final class ChatModel {
    /// A message as it is shown.
    public struct Bubble: Identifiable, Equatable, Sendable {
        public let id: Int
        public let role: Role
        public fileprivate(set) var text: String
    }

    /// Tokens of an answer at most.
    public var maxTokens: UInt32 = 256
    /// What is being written.
    public var draft = ""
    /// Alias of the adapter that answers; `nil` for the bare foundation. The history stays when it changes.
    public var adapter: String?
    public private(set) var bubbles: [Bubble] = []
    /// Latency is the time to the first token.
    public private(set) var readout: Readout?
    /// Tokens per second after the first one.
    public private(set) var tokensPerSecond: Double?
    /// Why the last answer ended.
    public private(set) var ending: FinishReason?
    public private(set) var failure: String?
    public private(set) var isAnswering = false

    private let sample: Sample
    @ObservationIgnored private var session: Session?
    /// The adapter that the session has.
    @ObservationIgnored private var voice: String?

    public init(_ sample: Sample) {
        self.sample = sample
    }

    public var canSend: Bool {
        !isAnswering && !draft.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty
    }

    /// Sends the draft; the answer grows in the last bubble.
    public func send() async {
        guard canSend else { return }
        isAnswering = true
        defer { isAnswering = false }
        let text = draft.trimmingCharacters(in: .whitespacesAndNewlines)
        (draft, readout, tokensPerSecond, ending, failure) = ("", nil, nil, nil, nil)
        let shown = bubbles.count
        do {
            let session = try currentSession()
            append(.user, text)
            append(.assistant, "")
            for try await event in session.respond(text, options: GenerateOptions(maxTokens: maxTokens)) {
                switch event {
                case .text(let piece): bubbles[bubbles.count - 1].text += piece
                case .done(let stats): show(stats)
                case .partial, .segment, .transcribed, .failed: break
                }
            }
        } catch {
            // The engine's history is as before; so is what is shown, and the draft can be sent again.
            bubbles.removeLast(bubbles.count - shown)
            draft = text
            failure = message(of: error)
        }
    }

    /// Stops the answer within one token. What was said stays.
    public func stop() {
        session?.stop()
    }

    /// Begins anew.
    public func clear() {
        guard !isAnswering else { return }
        (bubbles, readout, tokensPerSecond, ending, failure, session) = ([], nil, nil, nil, nil, nil)
    }

    private func currentSession() throws -> Session {
        let picked = try sample.adapter(adapter)
        if let session {
            if adapter != voice {
                try session.setAdapter(picked)
                // An adapter is to be told what it was told when it was trained.
                try session.setInstructions(picked?.instructions)
            }
            voice = adapter
            return session
        }
        let begun = try sample.attached().chat(adapter: picked)
        (session, voice) = (begun, adapter)
        return begun
    }

    private func append(_ role: Role, _ text: String) {
        bubbles.append(Bubble(id: bubbles.count, role: role, text: text))
    }

    private func show(_ stats: GenerateStats) {
        ending = stats.finishReason
        tokensPerSecond = stats.decodeTokensPerSecond
        readout = sample.readout(stats.timeToFirstTokenMs, stats.trace, adapter: stats.adapter?.alias)
    }
}
