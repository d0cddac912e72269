import Foundation
import Observation
import SampleKit
import Testing

@MainActor @Suite struct SampleTests {
    @Test func aFoundationOpensWithTheAdaptersThatFit() async {
        let sample = await openSample()
        guard case .open(let info) = sample.state else {
            Issue.record("\(sample.state)")
            return
        }
        #expect(info.id == "tiny")
        #expect(sample.adapters.map(\.id) == ["tilt", "voice"])
        #expect(sample.senses.map(\.id) == ["tilt"])
        #expect(sample.voices.map(\.id) == ["voice"])
        #expect(sample.classifiers.isEmpty)
        #expect(sample.voices.first?.description == "Another voice.")
        // The one that does not fit is named, with the reason.
        #expect(Array(sample.refused.keys) == ["wrong"])
        #expect(sample.refused["wrong"]?.isEmpty == false)
    }

    @Test func aFoundationThatIsNotThereIsSaidSo() async {
        let sample = Sample()
        await sample.open(foundation: URL(fileURLWithPath: "/nowhere"))
        guard case .failed(let reason) = sample.state else {
            Issue.record("\(sample.state)")
            return
        }
        #expect(reason.contains("/nowhere"))
    }

    @Test func foundationsAreFoundInTheOrderOfPlaces() {
        let nowhere = URL(fileURLWithPath: "/nowhere")
        #expect(FoundationFolder.first(in: [nowhere, Place.scenarios])?.lastPathComponent == "tiny")
        #expect(FoundationFolder.first(in: [Place.tiny])?.lastPathComponent == "tiny")
        #expect(FoundationFolder.first(in: [nowhere, Place.adapters]) == nil)
    }

    @Test func screensSayThatNothingIsOpen() async {
        let model = ClassifyModel(Sample())
        model.subject = .text("x")
        await model.classify()
        #expect(model.failure == "No foundation is open.")
    }
}

@MainActor @Suite struct ObservationTests {
    @Test func screensAreToldOfChanges() async {
        let model = ChatModel(await openSample())
        model.maxTokens = 4
        model.draft = "Hello"
        await confirmation { isTold in
            withObservationTracking {
                _ = model.bubbles
            } onChange: {
                isTold()
            }
            await model.send()
        }
        #expect(model.bubbles.count == 2)
    }
}
