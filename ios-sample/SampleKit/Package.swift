// swift-tools-version: 6.0
import PackageDescription

// Everything of the sample that needs no phone: what its four screens know and do.
let package = Package(
    name: "SampleKit",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "SampleKit", targets: ["SampleKit"])],
    dependencies: [.package(name: "Loam", path: "../../bindings/swift")],
    targets: [
        .target(name: "SampleKit", dependencies: [.product(name: "Loam", package: "Loam")]),
        .testTarget(name: "SampleKitTests", dependencies: ["SampleKit"]),
    ],
    swiftLanguageModes: [.v6]
)
