#!/bin/sh
# Checks the sources that only Apple's systems compile: parses them for iOS, and checks their types against the frameworks'
# declarations in this folder. Runs within ../swift.sh, after a build. What it cannot show: that the declarations are Apple's.
set -eu

package=$LOAM_REPOSITORY/bindings/swift
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

swiftc -parse -swift-version 6 -target arm64-apple-ios16.0 "$package"/Sources/Loam/Apple/*.swift
for framework in CoreGraphics AVFoundation CoreMotion UIKit; do
    swiftc -emit-module -parse-as-library -module-name $framework -swift-version 5 \
        -emit-module-path "$made/$framework.swiftmodule" "$package/AppleStubs/$framework.swift"
done
# The module is called otherwise than the one that the build has made; the package, which SwiftPM names after its folder, is
# the same, since a conformance of a type of LoamFFI is one's own within it.
check() {
    swiftc -typecheck -swift-version 6 -warnings-as-errors -module-name LoamForApple -package-name swift -I "$made" \
        -I "$LOAM_BUILD/loam/debug/Modules" -I "$package/Sources/LoamFFICore" \
        "$package"/Sources/Loam/*.swift "$@"
}
check "$package"/Sources/Loam/Apple/*.swift

# A check that cannot fail is none.
cat >"$made/Wrong.swift" <<'WRONG'
#if canImport(CoreGraphics) && canImport(AVFoundation) && canImport(CoreMotion) && canImport(UIKit)
import CoreMotion
func wrong(_ motion: CMDeviceMotion) -> String { motion.userAcceleration.x }
#endif
WRONG
if check "$made/Wrong.swift" 2>/dev/null; then
    echo "AppleStubs/check.sh: a wrong type went unnoticed" >&2
    exit 1
fi
echo "Apple's adapters: parsed for iOS, types checked against AppleStubs"
