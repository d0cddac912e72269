//  The folder that the README's code runs in: each name that it uses is a file there.

import Foundation

enum ReadmeFolder {
    private static let made: Result<String, any Error> = Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("loam-readme-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var files = [
            "senses": Place.tiny, "photo.png": Place.file("square.png"), "memo.wav": Place.file("speech.wav"),
            "tilt": Place.adapter("tilt"), "voice": Place.adapter("voice"),
            "topic.safetensors": Place.adapter("topic.safetensors"),
        ]
        files["loam-nano"] = Place.nano
        for picture in ["square.png", "tall.png", "wide.png"] { files[picture] = Place.file(picture) }
        for (name, target) in files {
            try FileManager.default.createSymbolicLink(
                atPath: folder.appendingPathComponent(name).path, withDestinationPath: target)
        }
        return folder.path
    }

    /// Makes it the current folder. No other test uses a relative path.
    static func enter() throws {
        let folder = try made.get()
        guard FileManager.default.changeCurrentDirectoryPath(folder) else { throw CocoaError(.fileNoSuchFile) }
    }
}
