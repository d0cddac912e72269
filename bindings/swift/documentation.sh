#!/usr/bin/env bash
# Makes the API reference: pages below <target>/swift/documentation, which any static file server shows.
set -euo pipefail
cd "$(dirname "$0")"

./generate.sh
./swift.sh '
    package=$LOAM_REPOSITORY/bindings/swift
    graphs=$LOAM_BUILD/graphs
    rm -rf $graphs $LOAM_BUILD/documentation
    mkdir -p $graphs
    triple=$(swiftc -print-target-info | sed -n "s/.*\"triple\": \"\(.*\)\",/\1/p" | head -n 1)
    swift build --package-path $package --scratch-path $LOAM_BUILD/loam --target Loam -Xlinker -L$LOAM_LIBRARY
    for module in Loam LoamFFI; do
        swift-symbolgraph-extract -module-name $module -I $LOAM_BUILD/loam/debug/Modules \
            -I $package/Sources/LoamFFICore -target $triple -minimum-access-level public \
            -skip-synthesized-members -output-dir $graphs
    done
    docc convert $package/Documentation.docc --additional-symbol-graph-dir $graphs \
        --output-dir $LOAM_BUILD/documentation --transform-for-static-hosting --warnings-as-errors'
echo "documentation: ${CARGO_TARGET_DIR:-target}/swift/documentation/index.html"
