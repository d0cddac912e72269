#!/usr/bin/env bash
# The formatter's opinion of the package and of the sample, generated files left out: `./lint.sh`.
set -euo pipefail
cd "$(dirname "$0")"

./swift.sh '
    cd $LOAM_REPOSITORY/bindings/swift
    swift format lint --strict --configuration .swift-format --recursive \
        Package.swift Sources/Loam Sources/LoamBenchmark Tests/LoamTests/*.swift AppleStubs ../../ios-sample'
