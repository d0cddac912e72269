import SampleKit
import SwiftUI

/// Latency, path, adapter and memory of the last result, or what went wrong.
struct ReadoutView: View {
    let readout: Readout?
    let failure: String?

    var body: some View {
        if let failure {
            Label(failure, systemImage: "exclamationmark.triangle")
                .foregroundStyle(.red)
        } else if let readout {
            VStack(alignment: .leading, spacing: 2) {
                HStack {
                    Label(readout.latencyText, systemImage: "stopwatch")
                    Spacer()
                    Label(readout.memoryText, systemImage: "memorychip")
                }
                HStack {
                    Label(readout.pathText, systemImage: "arrow.triangle.branch")
                    Spacer()
                    Label(readout.adapterText, systemImage: "puzzlepiece")
                }
            }
            .font(.footnote.monospacedDigit())
            .foregroundStyle(.secondary)
            .accessibilityElement(children: .combine)
        }
    }
}

/// Picks one of the adapters that fit a screen, or none.
struct AdapterPicker: View {
    let adapters: [AdapterChoice]
    @Binding var selection: String?

    var body: some View {
        Picker("Adapter", selection: $selection) {
            Text("None").tag(String?.none)
            ForEach(adapters) { adapter in
                Text(adapter.id).tag(String?.some(adapter.id))
            }
        }
        .disabled(adapters.isEmpty)
    }
}
