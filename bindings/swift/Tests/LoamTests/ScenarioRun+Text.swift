//  Cases of conversations and of generated text.

import Loam
import Testing

extension ScenarioRun {
    func chat() async throws -> JSON {
        let adapter = try await install(in: app)
        let session = try app.chat(instructions: args["instructions"].text, adapter: adapter)
        var turns: [JSON] = []
        for turn in list("turns") {
            let (text, stats) = try await collect(session.respond(turn, options: options()))
            turns.append([
                "text": .string(text), "generated": .of(stats.generatedTokens), "reused": .bool(stats.cachedTokens > 0),
                "adapter": .of(stats.adapter?.alias), "path": .of(stats.trace.path),
            ])
        }
        return ["turns": .array(turns), "roles": .of(try session.messages.map { "\($0.role)" })]
    }

    func generate() async throws -> JSON {
        let (text, stats) = try await collect(app.generate(text("prompt"), options: options()))
        return ["text": .string(text), "reason": .string(stats.finishReason.name)]
    }

    func answer() async throws -> JSON {
        let input = try await input()
        let (text, stats) = try await collect(app.answer(text("question"), about: [input], options: options()))
        return [
            "text": .string(text), "path": .of(stats.trace.path), "steps": .of(stats.trace.steps.map(\.component)),
        ]
    }

    func stop() async throws -> JSON {
        let session = try app.chat()
        let listener = Listener(.stops(try count("after_events")))
        let handle = try session.respond("Hello", options: options(), to: listener)
        listener.listens(to: handle)
        await session.waitForTurn()
        let (_, next) = try await collect(session.respond("Go on", options: GenerateOptions(maxTokens: 2)))
        return [
            "texts": .of(listener.texts), "reason": .string(try #require(listener.stats).finishReason.name),
            "finished": .bool(handle.isFinished()), "messages": .of(try session.messages.count),
            "next": .of(next.generatedTokens),
        ]
    }

    func busy() async throws -> JSON {
        let session = try app.chat()
        let first = session.respond("Hello", options: try options())
        let second = await JSON.failure { _ = try await session.respond("And", options: options()).text() }
        let messages = await JSON.failure { _ = try session.messages }
        session.stop()
        let (_, stats) = try await collect(first)
        return ["second": second, "messages": messages, "reason": .string(stats.finishReason.name)]
    }

    /// Text and cost of a stream.
    func collect(_ stream: AsyncThrowingStream<Event, any Error>) async throws -> (String, GenerateStats) {
        var (text, stats) = ("", GenerateStats?.none)
        for try await event in stream {
            switch event {
            case .text(let piece): text += piece
            case .done(let cost): stats = cost
            default: Issue.record("\(event)")
            }
        }
        return (text, try #require(stats, "the stream ended without its cost"))
    }
}
