import Loam
import SampleKit
import SwiftUI

struct SenseScreen: View {
    @Bindable var model: SenseModel
    let adapters: [AdapterChoice]
    @State private var motion = MotionSource()

    var body: some View {
        NavigationStack {
            List {
                Section {
                    Text(model.activity ?? "…").font(.largeTitle)
                    AdapterPicker(adapters: adapters, selection: $model.adapter)
                        .disabled(model.isSensing)
                    Button(model.isSensing ? "Stop" : "Sense") {
                        if model.isSensing { stop() } else { Task { await sense() } }
                    }
                    ReadoutView(readout: model.readout, failure: model.failure)
                }
                Section("Last windows") {
                    ForEach(model.history, id: \.start) { window in
                        LabeledContent(window.classification.label) {
                            Text("\(window.start, format: .number.precision(.fractionLength(1))) s")
                        }
                    }
                }
            }
            .navigationTitle("Sense")
            .onAppear { model.adapter = model.adapter ?? adapters.first?.id }
            .onDisappear { stop() }
        }
    }

    private func sense() async {
        await model.sense(motion.start(), source: .ios(rate: MotionSource.rate))
        motion.stop()
    }

    private func stop() {
        motion.stop()
        model.stop()
    }
}
