#!/usr/bin/env bash
# Type-checks the engine, the crate that bindings come from and the delegates for iOS. Where there is no Xcode, Apple's tools are
# replaced by stand-ins, with which no C code is checked: see tools/cross/README.md.
# Usage: tools/apple-check.sh [TARGET]
set -euo pipefail
cd "$(dirname "$0")/.."
target="${1:-aarch64-apple-ios}"
rustup target add "$target" >/dev/null 2>&1
if ! command -v xcrun >/dev/null; then
  cross="$PWD/tools/cross"
  export PATH="$cross/bin:$PATH"
  export "CC_${target//-/_}=$cross/cc" "AR_${target//-/_}=$cross/ar"
fi
RUSTFLAGS="${RUSTFLAGS:-} --deny warnings" cargo check --release --package loam-ffi --package loam-delegates --lib --target "$target"
