//  What the package uses of Core Motion, to check types where there is none. Nothing of it runs.

@_exported import Foundation

public struct CMAcceleration {
    public var x, y, z: Double
}

public struct CMRotationRate {
    public var x, y, z: Double
}

open class CMLogItem: NSObject {
    public var timestamp: TimeInterval { 0 }
}

open class CMDeviceMotion: CMLogItem {
    public var userAcceleration: CMAcceleration { CMAcceleration(x: 0, y: 0, z: 0) }
    public var gravity: CMAcceleration { CMAcceleration(x: 0, y: 0, z: 0) }
    public var rotationRate: CMRotationRate { CMRotationRate(x: 0, y: 0, z: 0) }
}
