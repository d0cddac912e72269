import Loam
import SampleKit
import SwiftUI

struct ChatScreen: View {
    @Bindable var model: ChatModel
    let adapters: [AdapterChoice]

    var body: some View {
        NavigationStack {
            VStack {
                AdapterPicker(adapters: adapters, selection: $model.adapter)
                    .disabled(model.isAnswering)
                conversation
                ReadoutView(readout: model.readout, failure: model.failure)
                if let speed = model.tokensPerSecond {
                    Text("\(speed, format: .number.precision(.fractionLength(1))) tokens/s").font(.footnote)
                }
                composer
            }
            .padding()
            .navigationTitle("Chat")
            .toolbar {
                Button("Clear", systemImage: "trash") { model.clear() }
                    .disabled(model.isAnswering)
            }
        }
    }

    private var conversation: some View {
        ScrollView {
            LazyVStack(alignment: .leading) {
                ForEach(model.bubbles) { bubble in
                    Text(bubble.text)
                        .padding(10)
                        .background(bubble.role == .user ? Color.accentColor.opacity(0.2) : Color.secondary.opacity(0.15))
                        .clipShape(.rect(cornerRadius: 12))
                        .frame(maxWidth: .infinity, alignment: bubble.role == .user ? .trailing : .leading)
                }
            }
        }
        .defaultScrollAnchor(.bottom)
    }

    private var composer: some View {
        HStack {
            TextField("Message", text: $model.draft, axis: .vertical)
                .textFieldStyle(.roundedBorder)
                .onSubmit { send() }
            if model.isAnswering {
                Button("Stop", systemImage: "stop.fill") { model.stop() }
            } else {
                Button("Send", systemImage: "arrow.up") { send() }
                    .disabled(!model.canSend)
            }
        }
        .labelStyle(.iconOnly)
    }

    private func send() {
        Task { await model.send() }
    }
}
