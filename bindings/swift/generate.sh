#!/usr/bin/env bash
# Makes what the package does not keep in git: the Swift side of the FFI crate, and the README's code as tests.
# Needs `make ffi`. Files that would not change are left alone, so that nothing is compiled again for them.
set -euo pipefail
cd "$(dirname "$0")"

readonly built=${CARGO_TARGET_DIR:-$PWD/../../target}/release
case $(uname -s) in
    Darwin) library=$built/libloam_ffi.dylib ;;
    *) library=$built/libloam_ffi.so ;;
esac
for needed in "$library" "$built/uniffi-bindgen"; do
    [[ -e $needed ]] || { echo "generate.sh: $needed is missing: run make ffi" >&2; exit 1; }
done

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# UniFFI reads the configuration of the crates below the current folder.
(cd ../.. && "$built/uniffi-bindgen" generate "$library" --language swift --no-format --config uniffi.toml \
    --out-dir "$made")
./snippets.sh README.md >"$made/ReadmeSnippets.swift"

place() {
    mkdir -p "$(dirname "$2")"
    cmp -s "$1" "$2" || cp "$1" "$2"
}
# The module map is our own: the generated one names modules that Linux has not, and no library.
place "$made/LoamFFICore.h" Sources/LoamFFICore/LoamFFICore.h
place "$made/LoamFFI.swift" Sources/LoamFFI/LoamFFI.swift
place "$made/ReadmeSnippets.swift" Tests/LoamTests/Generated/ReadmeSnippets.swift
