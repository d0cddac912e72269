#!/usr/bin/env bash
# Makes the generated sources, checks what is only for Apple's systems as far as this system can, and runs all tests.
# Arguments go to `swift test`, such as `--filter StreamTests`. Exit code 3 where no Swift can be had.
set -euo pipefail
cd "$(dirname "$0")"

../../tools/swift-toolchain.sh available || exit
./generate.sh
./swift.sh '
    package=$LOAM_REPOSITORY/bindings/swift
    swift build --package-path $package --scratch-path $LOAM_BUILD/loam --build-tests -Xlinker -L$LOAM_LIBRARY
    if [ "$(uname -s)" = Linux ]; then $package/AppleStubs/check.sh; fi
    swift test --disable-xctest --package-path $package --scratch-path $LOAM_BUILD/loam -Xlinker -L$LOAM_LIBRARY '"$*"
