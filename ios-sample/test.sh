#!/usr/bin/env bash
# Tests the sample without a phone: the four screens' models on the real engine and the tiny foundation of `make scenarios`,
# the SwiftUI files parsed for iOS, and the project file read. Exit code 3 where no Swift can be had.
set -euo pipefail
cd "$(dirname "$0")"

../tools/swift-toolchain.sh available || exit
../bindings/swift/generate.sh
# Swift 6.0 for Linux ships libswiftObservation with a symbol that nothing defines; it is that of a fatal error and never
# called, so the linker may leave it.
../bindings/swift/swift.sh '
    sample=$LOAM_REPOSITORY/ios-sample
    if [ "$(uname -s)" = Linux ]; then lenient="-Xlinker --allow-shlib-undefined"; fi
    swiftc -parse -swift-version 6 -target arm64-apple-ios17.0 $sample/LoamSample/*.swift
    swift $sample/check-project.swift $sample
    swift test --disable-xctest --package-path $sample/SampleKit --scratch-path $LOAM_BUILD/sample -Xlinker -L$LOAM_LIBRARY \
        ${lenient:-} '"$*"
