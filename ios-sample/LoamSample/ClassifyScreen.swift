import PhotosUI
import SampleKit
import SwiftUI

struct ClassifyScreen: View {
    @Bindable var model: ClassifyModel
    let adapters: [AdapterChoice]
    @State private var text = ""
    @State private var item: PhotosPickerItem?

    var body: some View {
        NavigationStack {
            Form {
                Section("What") {
                    TextField("A text", text: $text, axis: .vertical)
                    PhotosPicker("Or a photo", selection: $item, matching: .images)
                    if case .photo(let bytes) = model.subject, let image = UIImage(data: bytes) {
                        Image(uiImage: image).resizable().scaledToFit().frame(maxHeight: 200)
                    }
                }
                Section("As") {
                    TextField("Labels, such as cat, dog", text: $model.labels)
                    AdapterPicker(adapters: adapters, selection: $model.adapter)
                    Button("Classify") { Task { await model.classify() } }
                        .disabled(!model.canClassify)
                }
                Section("Result") {
                    ForEach(model.scores, id: \.label) { score in
                        LabeledContent(
                            score.label, value: Double(score.probability),
                            format: .percent.precision(.fractionLength(1)))
                    }
                    ReadoutView(readout: model.readout, failure: model.failure)
                }
            }
            .navigationTitle("Classify")
            .onChange(of: text) { take() }
            .task(id: item) { await load() }
        }
    }

    /// Takes what is typed; an emptied field leaves a photo alone.
    private func take() {
        if !text.isEmpty {
            model.subject = .text(text)
        } else if case .text = model.subject {
            model.subject = nil
        }
    }

    /// Photos of the library may be HEIC, which the engine does not read: it gets a JPEG, upright.
    private func load() async {
        guard let item, let data = try? await item.loadTransferable(type: Data.self),
            let image = UIImage(data: data)?.upright, let jpeg = image.jpegData(compressionQuality: 0.95)
        else { return }
        text = ""
        model.subject = .photo(jpeg)
    }
}

extension UIImage {
    /// The picture as it is seen, at most 1024 pixels wide or high: no encoder looks closer.
    fileprivate var upright: UIImage {
        let scale = min(1, 1024 / max(size.width, size.height))
        let small = CGSize(width: size.width * scale, height: size.height * scale)
        let format = UIGraphicsImageRendererFormat()
        format.scale = 1
        return UIGraphicsImageRenderer(size: small, format: format).image { _ in
            draw(in: CGRect(origin: .zero, size: small))
        }
    }
}
