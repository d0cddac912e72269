import LoamFFI

/// What full is as `UIDevice.batteryLevel` gives it, in percent.
private let full: Float = 100

extension Thermal {
    /// That of `ProcessInfo.ThermalState`, by its raw value: the two have the same words. A state beyond those that are known is
    /// taken for the last one.
    init(state: Int) {
        switch state {
        case ..<1: self = .nominal
        case 1: self = .fair
        case 2: self = .serious
        default: self = .critical
        }
    }
}

extension Battery {
    /// As `UIDevice` tells it: a level from 0 to 1, below 0 where it is not known, and the raw value of `BatteryState`, of which
    /// 1 is unplugged and the others are unknown, charging and full.
    init(level: Float, state: Int, saver: Saver) {
        let percent = level >= 0 ? UInt8(min((level * full).rounded(), full)) : nil
        self.init(percent: percent, supply: state == 1 ? .battery : .mains, saver: saver)
    }
}
