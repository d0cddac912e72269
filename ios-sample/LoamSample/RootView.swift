import SampleKit
import SwiftUI

/// Four tabs over one open engine, or why there is none.
struct RootView: View {
    let sample: Sample

    var body: some View {
        switch sample.state {
        case .closed, .opening:
            ProgressView("Opening the foundation")
        case .failed(let reason):
            ContentUnavailableView {
                Label("No foundation", systemImage: "cube.transparent")
            } description: {
                Text(reason)
                Text("Copy a foundation's folder into this app's documents with Finder or Files, and open the app again.")
            }
        case .open:
            Tabs(sample: sample)
        }
    }
}

private struct Tabs: View {
    @State private var classify: ClassifyModel
    @State private var dictate: DictateModel
    @State private var sense: SenseModel
    @State private var chat: ChatModel
    private let sample: Sample

    init(sample: Sample) {
        self.sample = sample
        _classify = State(initialValue: ClassifyModel(sample))
        _dictate = State(initialValue: DictateModel(sample))
        _sense = State(initialValue: SenseModel(sample))
        _chat = State(initialValue: ChatModel(sample))
    }

    var body: some View {
        TabView {
            ClassifyScreen(model: classify, adapters: sample.classifiers)
                .tabItem { Label("Classify", systemImage: "tag") }
            DictateScreen(model: dictate)
                .tabItem { Label("Dictate", systemImage: "mic") }
            SenseScreen(model: sense, adapters: sample.senses)
                .tabItem { Label("Sense", systemImage: "figure.walk") }
            ChatScreen(model: chat, adapters: sample.voices)
                .tabItem { Label("Chat", systemImage: "bubble.left.and.bubble.right") }
        }
    }
}
