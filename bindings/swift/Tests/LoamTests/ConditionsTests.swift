import Foundation
import Testing

@testable import Loam

/// What the device is like reaches engines, and keeps out what nobody waits for.
@Suite struct ConditionsTests {
    private let cool = conditions(.nominal)
    private let hot = conditions(.serious)

    private static func conditions(_ thermal: Thermal) -> Conditions {
        Conditions(thermal: thermal, battery: Battery(percent: nil, supply: .mains, saver: .off))
    }

    private func ask(_ engine: Engine, _ priority: Priority) async throws -> String {
        let options = GenerateOptions(maxTokens: 4, priority: priority)
        return try await engine.attach("com.example.photos").generate("The cat", options: options).text()
    }

    @Test func backgroundWorkIsRefusedOnAHotDeviceAndTakenWhenItHasCooled() async throws {
        let engine = try await Engine.open(Place.tiny)
        #expect(try engine.status.conditions == cool)
        try engine.setConditions(hot)
        #expect(try engine.status.conditions == hot)
        do {
            _ = try await ask(engine, .background)
            Issue.record("it was taken")
        } catch LoamError.Refused(let retryAfterMs, _, let reason) {
            #expect(retryAfterMs == 60_000)
            #expect(reason.contains("thermal state is serious"))
        }
        let text = try await ask(engine, .normal)
        try engine.setConditions(cool)
        #expect(try await ask(engine, .background) == text)
    }

    @Test func everyThermalStateOfTheSystemIsOneOfTheEngines() {
        #expect((0...4).map(Thermal.init(state:)) == [.nominal, .fair, .serious, .critical, .critical])
    }

    @Test func aBatteryIsToldByItsLevelAndItsState() {
        let unknown = Battery(level: -1, state: 0, saver: .off)
        #expect(unknown == Battery(percent: nil, supply: .mains, saver: .off))
        #expect(Battery(level: 0.14, state: 1, saver: .on) == Battery(percent: 14, supply: .battery, saver: .on))
        #expect(Battery(level: 0.05, state: 2, saver: .off) == Battery(percent: 5, supply: .mains, saver: .off))
        #expect(Battery(level: 1, state: 3, saver: .off) == Battery(percent: 100, supply: .mains, saver: .off))
    }
}
