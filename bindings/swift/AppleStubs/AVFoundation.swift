//  What the package uses of AVFoundation, to check types where there is none. Nothing of it runs.

@_exported import Foundation

public typealias AVAudioFrameCount = UInt32
public typealias AVAudioChannelCount = UInt32

public enum AVAudioCommonFormat: UInt {
    case otherFormat = 0
    case pcmFormatFloat32 = 1
    case pcmFormatFloat64 = 2
    case pcmFormatInt16 = 3
    case pcmFormatInt32 = 4
}

open class AVAudioFormat: NSObject {
    public var channelCount: AVAudioChannelCount { 0 }
    public var commonFormat: AVAudioCommonFormat { .otherFormat }
    public var sampleRate: Double { 0 }
    public var isInterleaved: Bool { false }
}

open class AVAudioPCMBuffer: NSObject {
    public var format: AVAudioFormat { AVAudioFormat() }
    public var frameLength: AVAudioFrameCount { 0 }
    public var floatChannelData: UnsafePointer<UnsafeMutablePointer<Float>>? { nil }
    public var int16ChannelData: UnsafePointer<UnsafeMutablePointer<Int16>>? { nil }
}
