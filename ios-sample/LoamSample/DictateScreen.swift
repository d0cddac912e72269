import SampleKit
import SwiftUI

struct DictateScreen: View {
    let model: DictateModel
    @State private var microphone = Microphone()
    @State private var refusal: String?

    var body: some View {
        NavigationStack {
            VStack(alignment: .leading) {
                ScrollView {
                    (Text(model.text) + Text(model.partial).foregroundStyle(.secondary))
                        .frame(maxWidth: .infinity, alignment: .leading)
                }
                if let factor = model.realTimeFactor {
                    Text("\(factor, format: .number.precision(.fractionLength(2))) s of work per second")
                        .font(.footnote)
                }
                ReadoutView(readout: model.readout, failure: model.failure ?? refusal)
                Button(model.isListening ? "Stop" : "Dictate", systemImage: model.isListening ? "stop.fill" : "mic") {
                    if model.isListening { stop() } else { Task { await listen() } }
                }
                .buttonStyle(.borderedProminent)
                .frame(maxWidth: .infinity)
            }
            .padding()
            .navigationTitle("Dictate")
            .onDisappear { stop() }
        }
    }

    private func listen() async {
        refusal = nil
        do {
            let sound = try await microphone.start()
            await model.listen(to: sound.chunks, sampleRate: sound.sampleRate)
        } catch {
            refusal = error.localizedDescription
        }
        microphone.stop()
    }

    private func stop() {
        microphone.stop()
        model.stop()
    }
}
