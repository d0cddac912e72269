import LoamFFI

/// A conversation with the language model. Each turn computes only what the last one did not. One turn runs at a time.
///
/// It lives where the engine is: once a service has ended, every call throws `LoamError.Lost`.
public final class Session: Sendable {
    let raw: LoamFFI.Session
    /// The turn that was begun last.
    private let turn = Locked<TaskHandle?>(nil)

    init(_ raw: LoamFFI.Session) {
        self.raw = raw
    }

    /// Answers `text`, beginning at once. What was generated becomes part of the history, also when the turn was stopped;
    /// after a failure the history is as before. The stream fails with `LoamError.Argument` while another turn runs.
    ///
    /// A task that is cancelled and a loop that is left stop the turn within one token. ``stop()`` does, too, and lets the
    /// stream end in its order, with what the turn cost.
    public func respond(
        _ text: String, options: GenerateOptions = GenerateOptions()
    ) -> AsyncThrowingStream<Event, any Error> {
        .events { try respond(text, options: options, to: $0) }
    }

    /// Answers `text` into a receiver of the caller's, on a worker thread. What the receiver throws ends the turn with
    /// `LoamError.Callback`.
    ///
    /// - Throws: `LoamError.Argument` while another turn runs.
    @discardableResult
    public func respond(
        _ text: String, options: GenerateOptions = GenerateOptions(), to sink: any EventSink
    ) throws -> TaskHandle {
        let handle = try translated { try raw.respond(text: text, options: options, sink: sink) }
        turn.value = handle
        return handle
    }

    /// Stops the turn that runs, if one does, before its next token. Returns at once.
    public func stop() {
        turn.value?.stop()
    }

    /// Waits until no turn runs, such as after a loop was left. What the turn failed with is in its own stream.
    public func waitForTurn() async {
        guard let handle = turn.value else { return }
        // Without a check for cancellation: who leaves early must still find the session free afterwards.
        await Task.detached { _ = try? await Work.run { try handle.wait() } }.value
    }

    /// The history, instructions included.
    ///
    /// - Throws: `LoamError.Argument` while a turn runs.
    public var messages: [Message] {
        get throws { try translated { try raw.messages() } }
    }

    /// Writes the conversation to a file, with what was computed for it, so that ``App/restore(from:adapter:mismatch:)`` goes
    /// on with it in another process as this one would. The file takes the place of what was there when it is whole and on
    /// the disk.
    ///
    /// - Throws: `LoamError.Io`, and then what was there stays; `LoamError.Argument` while a turn runs.
    public func save(to path: String) async throws {
        try await Work.run { [raw] in try raw.save(path: path) }
    }

    /// Answers from now on with another adapter, or with the bare base. The history stays; what was computed for it does
    /// not.
    ///
    /// - Throws: `LoamError.Argument` while a turn runs.
    public func setAdapter(_ adapter: Adapter?) throws {
        try translated { try raw.setAdapter(adapter: adapter?.raw) }
    }

    /// Replaces the system message, or removes it.
    ///
    /// - Throws: `LoamError.Argument` while a turn runs.
    public func setInstructions(_ instructions: String?) throws {
        try translated { try raw.setInstructions(instructions: instructions) }
    }

    /// Forgets everything but the instructions.
    ///
    /// - Throws: `LoamError.Argument` while a turn runs.
    public func clear() throws {
        try translated { try raw.clear() }
    }
}
