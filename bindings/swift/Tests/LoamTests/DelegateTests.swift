import Foundation
import Testing

@testable import Loam

/// Components on delegates: ONNX Runtime's processor stands for an NPU. Of the tiny foundation the text encoder is compiled.
@Suite struct DelegateTests {
    private let sentence = Input.text("two cats on a mat")

    private func options(_ strictness: Strictness? = nil) -> EngineOptions {
        let plan = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json")
        return EngineOptions(
            delegates: Delegates(
                targets: [.onnxFloat], artefacts: Place.file("delegates"), runtime: Place.runtime, preference: .delegate,
                strictness: strictness, plan: plan.path))
    }

    private func embed(_ engine: Engine, _ input: Input) async throws -> Embedding {
        try await engine.attach("com.example.mail").embed(input)
    }

    @Test(.enabled(if: Place.runtime != nil, Place.noRuntime))
    func aComponentRunsOnADelegateAndSaysSo() async throws {
        let engine = try await Engine.open(Place.tiny, options: options())
        #expect(try engine.places.isEmpty)
        try await engine.waitForDelegates(of: "text")
        let places = try engine.places
        #expect(places.map(\.component) == ["text"])
        #expect(places[0].backend == "onnx-float")
        #expect(places[0].reason == nil)
        #expect(places[0].support == .full)
        #expect(places[0].times.count == 1)
        #expect(places[0].times[0].delegateMs > 0 && places[0].times[0].processorMs > 0)

        let ours = try await embed(engine, sentence)
        let theirs = try await embed(Engine.open(Place.tiny), sentence)
        #expect(ours.trace.steps[0].backend == "onnx-float")
        #expect(theirs.trace.steps[0].backend.hasPrefix("cpu/"))
        #expect(ours.floats.count == theirs.floats.count)
        #expect(zip(ours.floats, theirs.floats).allSatisfy { abs($0 - $1) < 1e-4 })

        try await engine.waitForDelegates(of: "image")
        let seen = try await embed(engine, .image(path: Place.file("square.png"))).trace.steps[0]
        #expect(seen.backend.hasPrefix("cpu/"))
        #expect(seen.fallback == "not compiled")
    }

    @Test(.enabled(if: Place.runtime != nil, Place.noRuntime))
    func aStrictEngineRefusesWhatNoDelegateRuns() async throws {
        let engine = try await Engine.open(Place.tiny, options: options(.strict))
        try await engine.waitForDelegates(of: "image")
        let refused = await failure { _ = try await embed(engine, .image(path: Place.file("square.png"))) }
        guard case .Delegate(let component, let reason) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(component == "image")
        #expect(reason.contains("not compiled"))
        #expect(refused?.code() == 19)
        let missing = await failure { try await engine.waitForDelegates(of: "nose") }
        #expect(missing?.code() == 11)
    }

    @Test func aTargetOfAnotherSystemIsRefusedByName() async throws {
        #if canImport(Darwin)
        let (other, name) = (DelegateTarget.qnnV79, "qnn-v79")
        #else
        let (other, name) = (DelegateTarget.coreMl, "coreml")
        #endif
        let options = EngineOptions(delegates: Delegates(targets: [.onnxFloat, other]))
        let refused = await failure { _ = try await Engine.open(Place.tiny, options: options) }
        guard case .Unsupported(let what, _) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(what == name)
        #expect(try await Engine.open(Place.tiny).places.isEmpty)
    }
}
