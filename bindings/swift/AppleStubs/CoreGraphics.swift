//  What the package uses of Core Graphics, to check types where there is none. Nothing of it runs.

@_exported import Foundation

public final class CGImage {
    public let width = 0
    public let height = 0
}

public final class CGColorSpace {
    public static let sRGB: CFString = "sRGB"
    public init?(name: CFString) {}
}

public typealias CFString = String

public enum CGImageAlphaInfo: UInt32 {
    case premultipliedFirst = 2
}

public struct CGBitmapInfo: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let byteOrder32Little = CGBitmapInfo(rawValue: 2 << 12)
}

public enum CGInterpolationQuality: Int32 {
    case none = 1
}

public final class CGContext {
    public init?(
        data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int,
        space: CGColorSpace, bitmapInfo: UInt32
    ) {}
    public var interpolationQuality: CGInterpolationQuality = .none
    public func draw(_ image: CGImage, in rect: CGRect) {}
}
