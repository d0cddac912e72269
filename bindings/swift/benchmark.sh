#!/usr/bin/env bash
# Prints what crossing the border costs, as a Markdown table (release build).
set -euo pipefail
cd "$(dirname "$0")"

./generate.sh
./swift.sh '
    swift build --package-path $LOAM_REPOSITORY/bindings/swift --scratch-path $LOAM_BUILD/loam -c release \
        --product loam-benchmark -Xlinker -L$LOAM_LIBRARY >&2
    $LOAM_BUILD/loam/release/loam-benchmark $LOAM_SCENARIOS'
