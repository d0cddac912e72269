#if canImport(AVFoundation)
@preconcurrency import AVFoundation
import Foundation
import LoamFFI

extension Pcm {
    /// The samples of a buffer as the audio engine gives it, interleaved: 16-bit or 32-bit floating point, any number of
    /// channels. Copies them once.
    ///
    /// - Throws: `LoamError.Unsupported` for other kinds of samples.
    public init(buffer: AVAudioPCMBuffer) throws {
        let (frames, channels) = (Int(buffer.frameLength), Int(buffer.format.channelCount))
        switch buffer.format.commonFormat {
        case .pcmFormatFloat32:
            self.init(try interleaved(buffer.floatChannelData, frames, channels, buffer))
        case .pcmFormatInt16:
            self.init(try interleaved(buffer.int16ChannelData, frames, channels, buffer))
        default:
            throw unsupported(buffer.format)
        }
    }
}

extension Input {
    /// Sound in a buffer of the audio engine; channels are mixed to one.
    ///
    /// - Throws: `LoamError.Unsupported` for samples that are neither 16-bit nor 32-bit floating point;
    ///   `LoamError.Argument` as ``pcm(_:sampleRate:channels:)``.
    public init(buffer: AVAudioPCMBuffer) throws {
        let format = buffer.format
        self = try .pcm(
            Pcm(buffer: buffer), sampleRate: Int(format.sampleRate.rounded()), channels: Int(format.channelCount))
    }
}

/// Samples frame by frame; a buffer has them so, or channel by channel.
private func interleaved<Sample>(
    _ data: UnsafePointer<UnsafeMutablePointer<Sample>>?, _ frames: Int, _ channels: Int, _ buffer: AVAudioPCMBuffer
) throws -> [Sample] {
    guard let data else { throw unsupported(buffer.format) }
    if channels == 1 || buffer.format.isInterleaved {
        return Array(UnsafeBufferPointer(start: data[0], count: frames * channels))
    }
    return [Sample](unsafeUninitializedCapacity: frames * channels) { samples, count in
        for channel in 0..<channels {
            for frame in 0..<frames { samples[frame * channels + channel] = data[channel][frame] }
        }
        count = frames * channels
    }
}

private func unsupported(_ format: AVAudioFormat) -> LoamError {
    .Unsupported(
        what: "audio format", reason: "unsupported audio format \(format): samples are 16-bit or 32-bit floating point")
}
#endif
