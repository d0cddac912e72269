#!/usr/bin/env bash
# Builds LoamFFICore.xcframework beside Package.swift, for iOS, its simulators and macOS, and a zip with its checksum for a
# release. Needs a Mac with Xcode and rustup; not run on the machines where Loam is developed.
set -euo pipefail
cd "$(dirname "$0")"

[[ $(uname -s) == Darwin ]] || { echo "xcframework.sh: needs macOS with Xcode (xcodebuild, lipo)" >&2; exit 3; }
for tool in xcodebuild lipo cargo rustup swift; do
    command -v "$tool" >/dev/null || { echo "xcframework.sh: $tool is missing" >&2; exit 3; }
done

readonly targets=(aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin)
readonly built=${CARGO_TARGET_DIR:-$PWD/../../target}
readonly library=libloam_ffi.a
# As in Package.swift.
export IPHONEOS_DEPLOYMENT_TARGET=16.0 MACOSX_DEPLOYMENT_TARGET=13.0

rustup target add "${targets[@]}"
for target in "${targets[@]}"; do
    cargo rustc --manifest-path ../Cargo.toml --release --lib --crate-type staticlib --target "$target"
done
# For the generator, and for the generated sources.
cargo build --manifest-path ../../Cargo.toml --release --package loam-ffi --package loam-bindgen
./generate.sh

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# A folder per module: two frameworks with a module map at the same place cannot be in one app. The name of the file is what
# Xcode looks for. No `link` line: the framework's own library is linked.
mkdir -p "$made/Headers/LoamFFICore" "$made/simulator" "$made/mac"
cp Sources/LoamFFICore/LoamFFICore.h "$made/Headers/LoamFFICore/"
printf 'module LoamFFICore {\n    header "LoamFFICore.h"\n    export *\n}\n' \
    >"$made/Headers/LoamFFICore/module.modulemap"

lipo -create -output "$made/simulator/$library" \
    "$built/aarch64-apple-ios-sim/release/$library" "$built/x86_64-apple-ios/release/$library"
lipo -create -output "$made/mac/$library" \
    "$built/aarch64-apple-darwin/release/$library" "$built/x86_64-apple-darwin/release/$library"

rm -rf LoamFFICore.xcframework LoamFFICore.xcframework.zip
xcodebuild -create-xcframework \
    -library "$built/aarch64-apple-ios/release/$library" -headers "$made/Headers" \
    -library "$made/simulator/$library" -headers "$made/Headers" \
    -library "$made/mac/$library" -headers "$made/Headers" \
    -output LoamFFICore.xcframework
ditto -c -k --keepParent LoamFFICore.xcframework LoamFFICore.xcframework.zip
echo "LoamFFICore.xcframework.zip $(swift package compute-checksum LoamFFICore.xcframework.zip)"
