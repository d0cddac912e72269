//  Reads what only Xcode would read: `swift check-project.swift IOS-SAMPLE-FOLDER`. Every object that the project file names
//  is there, every path leads to something, and the property lists hold what a person is asked for. Xcode itself may still
//  have its own opinion.

import Foundation

let folder = URL(fileURLWithPath: CommandLine.arguments[1])
var failures: [String] = []

func propertyList(_ path: String) -> [String: Any] {
    do {
        let data = try Data(contentsOf: folder.appendingPathComponent(path))
        let list = try PropertyListSerialization.propertyList(from: data, format: nil)
        if let list = list as? [String: Any] { return list }
        failures.append("\(path) is no dictionary")
    } catch {
        failures.append("\(path): \(error)")
    }
    return [:]
}

/// All texts within a value of a property list.
func texts(_ value: Any) -> [String] {
    switch value {
    case let text as String: [text]
    case let list as [Any]: list.flatMap(texts)
    case let table as [String: Any]: table.values.flatMap(texts)
    default: []
    }
}

let project = propertyList("LoamSample.xcodeproj/project.pbxproj")
let objects = project["objects"] as? [String: [String: Any]] ?? [:]
if objects.isEmpty { failures.append("the project has no objects") }
let isName = { (text: String) in text.count == 24 && text.allSatisfy(\.isHexDigit) }
var named: Set<String> = [project["rootObject"] as? String ?? ""]
for object in objects.values { named.formUnion(texts(object).filter(isName)) }
for name in named where objects[name] == nil { failures.append("the project has no object \(name)") }
for name in objects.keys where !named.contains(name) { failures.append("nothing names the object \(name)") }

func check(path: Any?) {
    guard let path = path as? String else { return }
    let target = folder.appendingPathComponent(path).standardizedFileURL.path
    if !FileManager.default.fileExists(atPath: target) { failures.append("there is no \(path)") }
}
for object in objects.values {
    switch object["isa"] as? String {
    case "XCLocalSwiftPackageReference":
        check(path: (object["relativePath"] as? String).map { $0 + "/Package.swift" })
    case "PBXFileSystemSynchronizedRootGroup": check(path: object["path"])
    case "XCBuildConfiguration":
        let settings = object["buildSettings"] as? [String: Any] ?? [:]
        check(path: settings["INFOPLIST_FILE"])
        check(path: settings["CODE_SIGN_ENTITLEMENTS"])
    default: break
    }
}

let info = propertyList("LoamSample/Info.plist")
for usage in ["NSMicrophoneUsageDescription", "NSMotionUsageDescription"] where (info[usage] as? String ?? "").isEmpty {
    failures.append("Info.plist has no \(usage)")
}
_ = propertyList("LoamSample/LoamSample.entitlements")

for failure in failures { print("check-project: \(failure)") }
if failures.isEmpty { print("project: \(objects.count) objects, all named; property lists read") }
exit(failures.isEmpty ? 0 : 1)
