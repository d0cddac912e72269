#!/usr/bin/env bash
# Runs a shell command with Swift 6 and the engine at hand: with the Swift on the PATH where there is one, and in the
# folder of tools/swift-toolchain.sh otherwise. Exit code 3 where neither can be had.
#
#   ./swift.sh 'swift build --package-path $LOAM_REPOSITORY/bindings/swift'
#
# The command finds LOAM_REPOSITORY (read-only), LOAM_LIBRARY (the folder of libloam_ffi), LOAM_BUILD (for what it makes),
# LOAM_SCENARIOS, LOAM_HOME and LOAM_ONNXRUNTIME, where that names a file. `make ffi` and `make scenarios` come first.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}
scenarios=${LOAM_SCENARIOS:-$target/scenarios}
home=${LOAM_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/loam}

[[ -d $target/release ]] || { echo "swift.sh: $target/release is missing: run make ffi" >&2; exit 1; }
[[ -d $scenarios ]] || { echo "swift.sh: $scenarios is missing: run make scenarios" >&2; exit 1; }
mkdir -p "$target/swift"

if command -v swift >/dev/null; then
    export LOAM_REPOSITORY=$repository LOAM_LIBRARY=$target/release LOAM_BUILD=$target/swift
    export LOAM_SCENARIOS=$scenarios LOAM_HOME=$home
    export LD_LIBRARY_PATH=$LOAM_LIBRARY DYLD_LIBRARY_PATH=$LOAM_LIBRARY
    exec sh -euc "PATH=\$PATH:/usr/libexec/swift/bin; $1"
fi

"$repository/tools/swift-toolchain.sh" install
binds=(-b "$repository:/loam/repository:ro" -b "$target/release:/loam/library:ro" -b "$target/swift:/loam/build"
    -b "$scenarios:/loam/scenarios:ro")
if [[ -d $home/foundations ]]; then binds+=(-b "$home/foundations:/loam/home/foundations:ro"); fi
runtime=
if [[ -f ${LOAM_ONNXRUNTIME:-} ]]; then
    binds+=(-b "$(cd "$(dirname "$LOAM_ONNXRUNTIME")" && pwd):/loam/runtime:ro")
    runtime=/loam/runtime/$(basename "$LOAM_ONNXRUNTIME")
fi
exec "$repository/tools/swift-toolchain.sh" run "${binds[@]}" env LOAM_REPOSITORY=/loam/repository \
    LOAM_LIBRARY=/loam/library LOAM_BUILD=/loam/build LOAM_SCENARIOS=/loam/scenarios LOAM_HOME=/loam/home \
    LOAM_ONNXRUNTIME="$runtime" LD_LIBRARY_PATH=/loam/library sh -euc "PATH=\$PATH:/usr/libexec/swift/bin; $1"
