import Foundation
import Loam
import Testing

@Suite struct InputTests {
    @Test func samplesOfBothFormatsAreTheSameSound() async throws {
        let app = try await openTiny()
        let shorts = (0..<8_000).map { Int16(($0 * 37) % 4_001 - 2_000) }
        let floats = shorts.map { Float($0) / 32_768 }
        let one = try await app.embed(.pcm(Pcm(shorts), sampleRate: 16_000), modality: .sound)
        let other = try await app.embed(.pcm(Pcm(floats), sampleRate: 16_000), modality: .sound)
        #expect(zip(one.floats, other.floats).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(one.floats.contains { $0 != 0 })
    }

    @Test func channelsAreMixed() async throws {
        let app = try await openTiny()
        let mono = (0..<8_000).map { Float(($0 * 37) % 401) / 800 }
        let stereo = mono.flatMap { [$0, $0] }
        let one = try await app.embed(.pcm(Pcm(mono), sampleRate: 16_000), modality: .sound)
        let other = try await app.embed(.pcm(Pcm(stereo), sampleRate: 16_000, channels: 2), modality: .sound)
        #expect(zip(one.floats, other.floats).allSatisfy { abs($0 - $1) < 1e-5 })
    }

    @Test func bytesNeedNotBeAligned() async throws {
        let app = try await openTiny()
        let samples = (0..<4_000).map { Float($0 % 100) / 100 }
        let packed = samples.withUnsafeBytes { Data($0) }
        let shifted = (Data([7]) + packed).dropFirst()
        let one = try await app.embed(.pcm(Pcm(packed, format: .f32), sampleRate: 16_000), modality: .sound)
        let other = try await app.embed(.pcm(Pcm(shifted, format: .f32), sampleRate: 16_000), modality: .sound)
        #expect(one.vector == other.vector)
        // Also what comes out.
        var copy = one
        copy.vector = (Data([7]) + one.vector).dropFirst()
        #expect(copy.floats == one.floats)
    }

    @Test func bothSystemsSeeTheSameWalk() async throws {
        let app = try await openTiny()
        let tilt = try await app.adapters.install(path: Place.adapter("tilt"))
        var (android, ios) = (Motion(), Motion())
        for step in 0..<50 {
            let (time, sway) = (Double(step) / 50, sin(Double(step) / 4))
            let (force, turn) = (SIMD3(sway, 0.3, 9.8 + sway), SIMD3(0.1, sway, 0.2))
            android.append(time: time, acceleration: force, rotation: turn)
            // iOS has acceleration in g, and pointing down at rest.
            ios.append(time: time, acceleration: -force / 9.80665, rotation: turn)
        }
        let one = try await app.sense(.motion(android, source: .android(rate: 50)), adapter: tilt)
        let other = try await app.sense(.motion(ios, source: .ios(rate: 50)), adapter: tilt)
        #expect(one.label == other.label)
        #expect(zip(one.scores, other.scores).allSatisfy { abs($0.probability - $1.probability) < 1e-3 })
    }

    @Test func aGapIsRefusedOrRepaired() async throws {
        var motion = Motion()
        for step in 0..<50 where step != 20 {
            motion.append(time: Double(step) / 50, acceleration: SIMD3(0, 0, 9.8), rotation: SIMD3(0, 0, 0))
        }
        let app = try await openTiny()
        let tilt = try await app.adapters.install(path: Place.adapter("tilt"))
        let repaired = try Input.motion(motion, source: walk, repair: .interpolate(maxGapMs: 100))
        #expect(try await app.sense(repaired, adapter: tilt).scores.count == 3)
        let failed = await failure { _ = try await app.sense(.motion(motion, source: walk), adapter: tilt) }
        #expect(failed?.kind == "Argument")
    }

    @Test func sensorsBeginAnew() async throws {
        let app = try await openTiny()
        let tilt = try await app.adapters.install(path: Place.adapter("tilt"))
        let sensor = try await app.sensor(source: walk, adapter: tilt)
        #expect(sensor.windowSeconds == 1)
        let steps = Motion(samples: [Float](repeating: 1, count: 6 * 30))
        #expect(try await sensor.push(steps).isEmpty)
        try sensor.restart()
        #expect(try await sensor.push(steps).isEmpty, "what was before the restart counts still")
        #expect(try await sensor.push(steps).count == 1)
    }

    @Test func anIndexReplacesAndRemoves() async throws {
        let index = Index()
        try index.insert([1, 0], for: "a")
        try index.insert([0, 1], for: "b")
        try index.insert([0, 1], for: "a")
        #expect(index.count == 2)
        #expect(index.remove("b") && !index.remove("b"))
        let failed = await failure { try index.insert([1, 0, 0], for: "c") }
        #expect(failed?.kind == "Argument")
    }
}
