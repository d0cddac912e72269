//  The table that all packages pass: bindings/scenarios/cases.json.

import Foundation
import Testing

/// One line of the table.
struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let foundation: String
    let op: String
    let args: JSON
    let expect: JSON

    var testDescription: String { name }

    static let all: [Case] = {
        let file = Place.repository.appendingPathComponent("bindings/scenarios/cases.json")
        do {
            return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
        } catch {
            fatalError("the table of cases: \(error)")
        }
    }()
}

/// Of numbers that are no integers: f32 sums differ in their order between processors.
private let tolerance = 1e-3

/// Where two results differ; `nil` where they do not.
func difference(at place: String, _ found: JSON, _ expected: JSON) -> String? {
    switch (found, expected) {
    case (.object(let a), .object(let b)) where Set(a.keys) == Set(b.keys):
        for (key, value) in b.sorted(by: { $0.key < $1.key }) {
            if let found = difference(at: "\(place).\(key)", a[key]!, value) { return found }
        }
        return nil
    case (.array(let a), .array(let b)) where a.count == b.count:
        for i in b.indices {
            if let found = difference(at: "\(place)[\(i)]", a[i], b[i]) { return found }
        }
        return nil
    case (.number(let a), .number(let b)):
        return abs(a - b) <= tolerance ? nil : "\(place) is \(a), expected \(b)"
    case (.string(let a), .string(let b)):
        // Byte by byte: Swift holds texts to be equal that are only written alike.
        return Array(a.utf8) == Array(b.utf8) ? nil : "\(place) is \(a.debugDescription), expected \(b.debugDescription)"
    default:
        return found == expected ? nil : "\(place) is \(found), expected \(expected)"
    }
}
