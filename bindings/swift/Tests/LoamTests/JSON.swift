//  JSON as a value, to write results beside the table's and to compare the two.

enum JSON: Codable, Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let array = try? value.decode([JSON].self) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let bool): try value.encode(bool)
        case .number(let number): try value.encode(number)
        case .string(let string): try value.encode(string)
        case .array(let array): try value.encode(array)
        case .object(let object): try value.encode(object)
        }
    }

    subscript(name: String) -> JSON {
        if case .object(let object) = self { object[name] ?? .null } else { .null }
    }

    var text: String? {
        if case .string(let string) = self { string } else { nil }
    }

    var double: Double? {
        if case .number(let number) = self { number } else { nil }
    }

    var list: [JSON] {
        if case .array(let array) = self { array } else { [] }
    }

    static func of(_ number: some BinaryInteger) -> JSON { .number(Double(number)) }
    static func of(_ number: Float) -> JSON { .number(Double(number)) }
    static func of(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    static func of(_ texts: [String]) -> JSON { .array(texts.map(JSON.string)) }
    static func of(_ numbers: some Sequence<Float>) -> JSON { .array(numbers.map { .of($0) }) }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByBooleanLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(arrayLiteral elements: JSON...) { self = .array(elements) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(uniqueKeysWithValues: elements))
    }
}
