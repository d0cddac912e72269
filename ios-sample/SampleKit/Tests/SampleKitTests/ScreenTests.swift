//  The four screens on the real engine.

import Foundation
import Loam
import Testing

@testable import SampleKit

@MainActor @Suite struct ScreenTests {
    // Classify

    @Test func aPhotoGetsALabelAndAReadout() async throws {
        let model = ClassifyModel(await openSample())
        #expect(!model.canClassify)
        model.subject = .photo(try Place.bytes("square.png"))
        model.labels = "cat, dog ,bird,"
        await model.classify()
        #expect(model.failure == nil)
        #expect(model.scores.map(\.label) == ["cat", "dog", "bird"])
        let readout = try #require(model.readout)
        #expect(readout.path == 3 && readout.components == ["image", "text"])
        #expect(readout.milliseconds > 0 && readout.adapterText == "no adapter")
        #expect(try #require(readout.memory) > 1_000_000)
        #expect(readout.pathText == "path 3: image, text")
        #expect(!model.isBusy)
    }

    @Test func aDamagedPhotoIsAMessageAndTheNextOneWorks() async throws {
        let model = ClassifyModel(await openSample())
        model.labels = "cat,dog,bird"
        model.subject = .photo(Data("no picture".utf8))
        await model.classify()
        #expect(model.failure?.isEmpty == false)
        #expect(model.scores.isEmpty && model.readout == nil)
        model.subject = .photo(try Place.bytes("tall.png"))
        await model.classify()
        #expect(model.failure == nil)
        #expect(model.scores.count == 3)
    }

    @Test(.enabled(if: Place.nano != nil, "loam-nano is not there: run `loam pull loam-nano`"))
    func aTextIsNamedByATrainedAdapter() async throws {
        let sample = Sample()
        await sample.open(foundation: try #require(Place.nano), adapters: Place.trained)
        let offered = Set(sample.classifiers.map(\.id))
        #expect(offered.isSuperset(of: ["intent", "topic", "digits"]))
        #expect(offered.isDisjoint(with: ["shell", "vqa", "falls", "sounds"]))
        #expect(sample.voices.map(\.id) == ["brief", "explain", "python", "reader", "reply", "shell"])
        let model = ClassifyModel(sample)
        model.subject = .text("Play some jazz in the kitchen.")
        model.adapter = "topic"
        await model.classify()
        #expect(model.failure == nil)
        #expect(model.scores.first?.label == "play")
        #expect(model.readout?.adapterText == "topic")
        #expect(model.readout?.pathText == "path 2: backbone")
    }

    // Dictate

    @Test func speechBecomesTextWhileItIsSpoken() async throws {
        let samples = try Place.samples("speech.wav")
        let model = DictateModel(await openSample())
        let chunks = AsyncStream<Pcm> { continuation in
            for start in stride(from: 0, to: samples.count, by: 3_200) {
                continuation.yield(Pcm(samples[start..<min(start + 3_200, samples.count)], format: .i16))
            }
            continuation.finish()
        }
        await model.listen(to: chunks, sampleRate: 16_000)
        #expect(model.failure == nil)
        #expect(model.text.hasPrefix("cdbdcddbcb"))
        #expect(model.partial.isEmpty)
        let readout = try #require(model.readout)
        #expect(readout.components == ["speech"] && readout.milliseconds > 0)
        #expect(try #require(model.realTimeFactor) > 0)
    }

    @Test func stoppingTheMicrophoneKeepsWhatWasSaid() async throws {
        let samples = try Place.samples("speech.wav")
        let model = DictateModel(await openSample())
        // A microphone that never ends by itself.
        let (microphone, continuation) = AsyncStream<Pcm>.makeStream()
        let listening = Task { await model.listen(to: microphone, sampleRate: 16_000) }
        continuation.yield(Pcm(samples, format: .i16))
        #expect(try await eventually { !model.partial.isEmpty || !model.text.isEmpty })
        #expect(model.isListening)
        model.stop()
        await listening.value
        #expect(!model.isListening && model.failure == nil)
        #expect(model.text.hasPrefix("cdbdcddbcb"))
        #expect(model.readout != nil)
    }

    @Test func silenceIsAMessage() async {
        let model = DictateModel(await openSample())
        await model.listen(to: AsyncStream<Pcm> { $0.finish() }, sampleRate: 16_000)
        #expect(model.failure?.isEmpty == false)
        #expect(model.readout == nil && !model.isListening)
    }

    // Sense

    @Test func motionBecomesActivitiesNewestFirst() async throws {
        let walk = try Place.walk()
        let model = SenseModel(await openSample())
        model.adapter = "tilt"
        let pieces = AsyncStream<Motion> { continuation in
            for start in stride(from: 0, to: walk.count, by: 60) {
                continuation.yield(Motion(samples: Array(walk[start..<min(start + 60, walk.count)])))
            }
            continuation.finish()
        }
        await model.sense(pieces, source: .android(rate: 50))
        #expect(model.failure == nil)
        #expect(model.history.map(\.start) == [2, 1.5, 1, 0.5, 0])
        #expect(model.activity == "running")
        let readout = try #require(model.readout)
        #expect(readout.adapterText == "tilt" && readout.components == ["imu"] && readout.milliseconds > 0)
    }

    @Test func aLiveSensorStopsWhenItIsTold() async throws {
        let walk = try Place.walk()
        let model = SenseModel(await openSample())
        model.adapter = "tilt"
        let (motion, continuation) = AsyncStream<Motion>.makeStream()
        let sensing = Task { await model.sense(motion, source: .android(rate: 50)) }
        for _ in 0..<10 { continuation.yield(Motion(samples: walk)) }
        #expect(try await eventually { model.history.count == SenseModel.historyLength })
        model.stop()
        await sensing.value
        #expect(!model.isSensing && model.failure == nil)
    }

    @Test func anAdapterThatIsNotInstalledIsAMessage() async {
        let model = SenseModel(await openSample())
        model.adapter = "nobody"
        await model.sense(AsyncStream<Motion> { $0.finish() }, source: .ios(rate: 50))
        #expect(model.failure?.contains("nobody") == true)
    }

    // Chat

    @Test func answersStreamUnderThePickedAdapter() async throws {
        let model = ChatModel(await openSample())
        model.maxTokens = 12
        #expect(!model.canSend)
        model.draft = " Hello "
        await model.send()
        #expect(model.failure == nil)
        #expect(model.bubbles.map(\.role) == [.user, .assistant])
        #expect(model.bubbles[0].text == "Hello" && !model.bubbles[1].text.isEmpty)
        #expect(model.ending == .maxTokens && model.draft.isEmpty)
        let bare = try #require(model.readout)
        #expect(bare.adapterText == "no adapter" && bare.path == 2 && bare.milliseconds > 0)
        #expect(try #require(model.tokensPerSecond) > 0)

        model.adapter = "voice"
        model.draft = "Hello"
        await model.send()
        #expect(model.readout?.adapterText == "voice")
        #expect(model.bubbles.count == 4)

        model.clear()
        #expect(model.bubbles.isEmpty && model.readout == nil)
        model.draft = "Hello"
        await model.send()
        let voice = model.bubbles.last?.text
        model.clear()
        model.adapter = nil
        model.draft = "Hello"
        await model.send()
        #expect(model.bubbles.last?.text != voice, "the adapter changes nothing")
    }

    @Test func anAnswerThatWaitsCanBeStoppedAndTheConversationGoesOn() async throws {
        let sample = await openSample()
        let gate = try await Gate(before: try #require(sample.app))
        let model = ChatModel(sample)
        model.draft = "Hello"
        let answering = Task { await model.send() }
        while !model.isAnswering { await Task.yield() }
        model.stop()
        gate.open()
        await answering.value
        #expect(model.ending == .stopped && model.failure == nil)
        #expect(model.bubbles.map(\.text) == ["Hello", ""])
        model.maxTokens = 3
        model.draft = "Go on"
        await model.send()
        #expect(model.failure == nil && model.ending == .maxTokens && model.bubbles.count == 4)
    }

    @Test(.enabled(if: Place.nano != nil, "loam-nano is not there: run `loam pull loam-nano`"))
    func aStoppedAnswerStays() async throws {
        let sample = Sample()
        await sample.open(foundation: try #require(Place.nano))
        let model = ChatModel(sample)
        // Minutes of work, were it not stopped.
        model.maxTokens = 4_000
        model.draft = "Count to 5000."
        let answering = Task { await model.send() }
        #expect(try await eventually { model.bubbles.last?.role == .assistant && model.bubbles[1].text.count > 10 })
        model.stop()
        await answering.value
        #expect(model.ending == .stopped && model.failure == nil)
        #expect(try #require(model.bubbles.last).text.count > 10)
        #expect(model.readout?.pathText == "path 2: backbone")
    }

    @Test func whatCannotBeAnsweredComesBackAsTheDraft() async {
        let model = ChatModel(await openSample())
        // Of motion: it speaks for no language model.
        model.adapter = "tilt"
        model.draft = "Hello"
        await model.send()
        #expect(model.failure?.isEmpty == false)
        #expect(model.draft == "Hello" && model.bubbles.isEmpty && !model.isAnswering)
    }
}
