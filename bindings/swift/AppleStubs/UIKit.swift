//  What the package uses of UIKit, and of Foundation beside what Linux has of it, to check types where there is none. Nothing of
//  it runs.

@_exported import Foundation

@MainActor
open class UIDevice: NSObject {
    public enum BatteryState: Int, Sendable {
        case unknown, unplugged, charging, full
    }

    public static var current: UIDevice { UIDevice() }
    public var isBatteryMonitoringEnabled = false
    public var batteryLevel: Float { -1 }
    public var batteryState: BatteryState { .unknown }

    public nonisolated static var batteryLevelDidChangeNotification: NSNotification.Name { .init("level") }
    public nonisolated static var batteryStateDidChangeNotification: NSNotification.Name { .init("state") }
}

extension ProcessInfo {
    public enum ThermalState: Int, Sendable {
        case nominal, fair, serious, critical
    }

    public var thermalState: ThermalState { .nominal }
    public var isLowPowerModeEnabled: Bool { false }

    public static var thermalStateDidChangeNotification: NSNotification.Name { .init("thermal") }
}

extension NSNotification.Name {
    // swift-format-ignore: AlwaysUseLowerCamelCase
    public static var NSProcessInfoPowerStateDidChange: NSNotification.Name { .init("power") }
}
