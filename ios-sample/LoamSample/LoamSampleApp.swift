import SampleKit
import SwiftUI

@main
struct LoamSampleApp: App {
    @State private var sample = Sample()

    var body: some Scene {
        WindowGroup {
            RootView(sample: sample)
                .task { await open() }
        }
    }

    /// A foundation that was copied into the app's documents comes before one of the bundle; so do adapters.
    private func open() async {
        let documents = URL.documentsDirectory
        let resources = Bundle.main.resourceURL ?? documents
        guard let foundation = FoundationFolder.first(in: [documents, resources]) else {
            await sample.open(foundation: documents)
            return
        }
        let own = documents.appending(path: "adapters")
        let hasOwn = FileManager.default.fileExists(atPath: own.path)
        await sample.open(foundation: foundation, adapters: hasOwn ? own : resources.appending(path: "adapters"))
    }
}
