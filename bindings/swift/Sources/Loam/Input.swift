import Foundation
import LoamFFI

/// One input of a task: text, a picture, sound or motion. Cheap to copy; its data is shared.
public struct Input: Sendable {
    let raw: LoamFFI.Input

    init(_ raw: LoamFFI.Input) {
        self.raw = raw
    }

    /// Its kind, for messages.
    public var kind: String {
        raw.kind()
    }

    /// Written language.
    public static func text(_ text: String) -> Input {
        Input(LoamFFI.Input.text(text: text))
    }

    /// A picture in a PNG, JPEG or WebP file, decoded off the caller's thread.
    ///
    /// - Throws: `LoamError.Io`, `LoamError.Malformed`, `LoamError.Unsupported`, or `LoamError.Argument` for a picture
    ///   above the limits.
    public static func image(path: String) async throws -> Input {
        try await Work.run { Input(try LoamFFI.Input.imageFile(path: path)) }
    }

    /// A picture as the bytes of a PNG, JPEG or WebP file, decoded off the caller's thread.
    ///
    /// - Throws: As ``image(path:)``.
    public static func image(encoded bytes: Data) async throws -> Input {
        try await Work.run { Input(try LoamFFI.Input.encodedImage(bytes: bytes)) }
    }

    /// A picture of 8-bit pixels, row by row from the top left, without gaps between rows.
    ///
    /// - Throws: `LoamError.Argument` for another number of bytes than the pixels take, or a picture above the limits.
    public static func pixels(_ pixels: Data, layout: PixelLayout, width: Int, height: Int) throws -> Input {
        let (width, height) = (UInt32(clamping: width), UInt32(clamping: height))
        return Input(
            try translated {
                try LoamFFI.Input.pixels(pixels: pixels, layout: layout, width: width, height: height)
            })
    }

    /// Sound in a WAV file, read off the caller's thread.
    ///
    /// - Throws: `LoamError.Io` or `LoamError.Malformed`; as ``pcm(_:sampleRate:channels:)`` otherwise.
    public static func sound(path: String) async throws -> Input {
        try await Work.run { Input(try LoamFFI.Input.wavFile(path: path)) }
    }

    /// Sound as interleaved samples at `sampleRate` Hz; channels are mixed to one.
    ///
    /// - Throws: `LoamError.Argument` for no sample, bytes that are no whole samples, a rate outside of 4000 to 192000, or
    ///   a sample that is not finite.
    public static func pcm(_ samples: Pcm, sampleRate: Int, channels: Int = 1) throws -> Input {
        let (rate, channels) = (UInt32(clamping: sampleRate), UInt16(clamping: channels))
        return Input(
            try translated {
                try LoamFFI.Input.pcm(
                    samples: samples.bytes, format: samples.format, sampleRate: rate, channels: channels)
            })
    }

    /// Motion as `source` recorded it.
    ///
    /// - Throws: `LoamError.Argument` for fewer than two samples, values that are no whole samples or out of range, and
    ///   for gaps that `repair` does not allow.
    public static func motion(_ motion: Motion, source: ImuSource, repair: Repair = .refuse) throws -> Input {
        Input(
            try translated {
                try motion.samples.withBytes { samples in
                    try motion.timestamps.withBytes { times in
                        try LoamFFI.Input.motion(samples: samples, timestamps: times, source: source, repair: repair)
                    }
                }
            })
    }
}
