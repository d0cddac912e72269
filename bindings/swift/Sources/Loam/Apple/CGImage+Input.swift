#if canImport(CoreGraphics)
import CoreGraphics
import Foundation
import LoamFFI

extension Input {
    /// A picture of Core Graphics, such as `UIImage.cgImage`: drawn once into 8-bit BGRA in sRGB, whatever its own layout.
    /// Takes 4 bytes a pixel while it is made. It is taken as it lies: an orientation beside the pixels is not known here.
    ///
    /// - Throws: `LoamError.Argument` for a picture without pixels or above the limits; `LoamError.Memory` where there is
    ///   none for it.
    public init(cgImage: CGImage) throws {
        let (width, height) = (cgImage.width, cgImage.height)
        let bytesPerRow = width * 4
        var pixels = Data(count: bytesPerRow * height)
        // Little-endian 32-bit words of ARGB are bytes of B, G, R, A. The engine drops alpha: with colours multiplied by it,
        // what shines through lies on black.
        let layout = CGImageAlphaInfo.premultipliedFirst.rawValue | CGBitmapInfo.byteOrder32Little.rawValue
        let isDrawn = pixels.withUnsafeMutableBytes { bytes in
            guard let space = CGColorSpace(name: CGColorSpace.sRGB),
                let context = CGContext(
                    data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8,
                    bytesPerRow: bytesPerRow, space: space, bitmapInfo: layout)
            else { return false }
            context.interpolationQuality = .none
            context.draw(cgImage, in: CGRect(x: 0, y: 0, width: width, height: height))
            return true
        }
        guard isDrawn else {
            let needed = UInt64(pixels.count)
            throw LoamError.Memory(
                needed: needed, limit: 0, reason: "no bitmap of \(width)x\(height) pixels, \(needed) bytes")
        }
        self = try .pixels(pixels, layout: .bgra, width: width, height: height)
    }
}
#endif
