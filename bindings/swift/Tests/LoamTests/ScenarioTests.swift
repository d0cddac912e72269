import Loam
import Testing

@Suite struct ScenarioTests {
    static let tiny = Case.all.filter { $0.foundation != "nano" }
    static let nano = Case.all.filter { $0.foundation == "nano" }

    @Test(arguments: tiny)
    func everyCaseGivesWhatTheTableSays(_ one: Case) async throws {
        try await check(one)
    }

    @Test(.enabled(if: Place.nano != nil, Place.noNano), arguments: nano)
    func everyCaseOnTheRealFoundationGivesWhatTheTableSays(_ one: Case) async throws {
        try await check(one)
    }

    @Test func theTableIsWhole() {
        // A table that was read in part would pass as well.
        #expect(Self.tiny.count >= 30)
        #expect(Self.nano.count >= 4)
    }

    @Test func theComparisonSeesWhatDiffers() {
        let one: JSON = ["a": [.number(1), "x"], "b": true]
        #expect(difference(at: "r", one, one) == nil)
        #expect(difference(at: "r", ["a": .number(1.0005)], ["a": .number(1)]) == nil)
        #expect(difference(at: "r", ["a": .number(1.1)], ["a": .number(1)]) != nil)
        #expect(difference(at: "r", ["a": .number(1)], ["a": .number(1), "b": true]) != nil)
        #expect(difference(at: "r", ["a", "b"], ["a"]) != nil)
        #expect(difference(at: "r", "e\u{301}", "\u{e9}") != nil)
    }

    private func check(_ one: Case) async throws {
        let foundation = try #require(Place.foundation(one.foundation))
        let app = try await Engine.open(foundation).attach("com.example.mail")
        let found = try await ScenarioRun(app: app, args: one.args).outcome(one.op)
        try #require(one.expect != .null, "no expected result: see bindings/scenarios/README.md")
        if let difference = difference(at: "result", found, one.expect) { Issue.record("\(difference)") }
    }
}
