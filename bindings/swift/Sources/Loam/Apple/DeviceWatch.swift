import LoamFFI

#if canImport(Darwin) || canImport(UIKit)
import Foundation

#if canImport(UIKit)
import UIKit
#endif

/// Tells what the system says of the device's heat and power, at once and whenever it changes, until it is released. On the main
/// actor, where `UIDevice` is, so that reports do not overtake each other.
final class DeviceWatch: Sendable {
    // Set once, and read at the end alone.
    private nonisolated(unsafe) let observers: [any NSObjectProtocol]

    init(_ tell: @escaping @Sendable (Conditions) -> Void) {
        let report: @Sendable () -> Void = {
            Task { @MainActor in tell(Conditions.ofDevice()) }
        }
        observers = Conditions.changes.map { name in
            NotificationCenter.default.addObserver(forName: name, object: nil, queue: nil) { _ in report() }
        }
        report()
    }

    deinit {
        for observer in observers {
            NotificationCenter.default.removeObserver(observer)
        }
    }
}

extension Conditions {
    /// As the system tells them now.
    @MainActor
    fileprivate static func ofDevice() -> Conditions {
        let process = ProcessInfo.processInfo
        let saver: Saver = process.isLowPowerModeEnabled ? .on : .off
        return Conditions(thermal: Thermal(state: process.thermalState.rawValue), battery: .ofDevice(saver: saver))
    }
}

#if canImport(UIKit) && !os(tvOS) && !os(watchOS)
extension Conditions {
    /// What is posted when they change.
    fileprivate static var changes: [Notification.Name] {
        [
            ProcessInfo.thermalStateDidChangeNotification, .NSProcessInfoPowerStateDidChange,
            UIDevice.batteryLevelDidChangeNotification, UIDevice.batteryStateDidChangeNotification,
        ]
    }
}

extension Battery {
    /// The device tells of its battery once it is asked to.
    @MainActor
    fileprivate static func ofDevice(saver: Saver) -> Battery {
        let device = UIDevice.current
        device.isBatteryMonitoringEnabled = true
        return Battery(level: device.batteryLevel, state: device.batteryState.rawValue, saver: saver)
    }
}
#else
extension Conditions {
    /// What is posted when they change.
    fileprivate static var changes: [Notification.Name] {
        [ProcessInfo.thermalStateDidChangeNotification, .NSProcessInfoPowerStateDidChange]
    }
}

extension Battery {
    /// Without `UIDevice` the mode that saves power is all that is told; a Mac turns it on by itself where its user wants that.
    fileprivate static func ofDevice(saver: Saver) -> Battery {
        Battery(percent: nil, supply: .mains, saver: saver)
    }
}
#endif

extension Engine {
    /// Tells `raw` of the device for as long as the result lives.
    static func watchDevice(for raw: LoamFFI.Engine) -> (any Sendable)? {
        // One in this process takes whatever is said.
        DeviceWatch { [weak raw] conditions in try? raw?.setConditions(conditions: conditions) }
    }
}
#else
extension Engine {
    /// The system tells nothing of the device.
    static func watchDevice(for raw: LoamFFI.Engine) -> (any Sendable)? {
        nil
    }
}
#endif
