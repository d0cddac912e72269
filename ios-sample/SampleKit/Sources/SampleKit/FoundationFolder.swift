import Foundation

/// A folder that holds a foundation, where a person or the build put it.
public enum FoundationFolder {
    private static let manifest = "foundation.json"

    /// The first foundation in `places`, which are looked at in their order: a place is one itself, or has one in it.
    public static func first(in places: [URL]) -> URL? {
        for place in places {
            if isFoundation(place) { return place }
            let inside = (try? FileManager.default.contentsOfDirectory(at: place, includingPropertiesForKeys: nil)) ?? []
            if let found = inside.sorted(by: { $0.path < $1.path }).first(where: isFoundation) { return found }
        }
        return nil
    }

    private static func isFoundation(_ folder: URL) -> Bool {
        FileManager.default.fileExists(atPath: folder.appendingPathComponent(manifest).path)
    }
}
