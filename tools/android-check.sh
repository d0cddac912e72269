#!/usr/bin/env bash
# Type-checks the engine, the crate that bindings come from, and the delegates for 64-bit Android. Needs no NDK.
# Usage: tools/android-check.sh [TARGET]
set -euo pipefail
cd "$(dirname "$0")/.."
target="${1:-aarch64-linux-android}"
rustup target add "$target" >/dev/null 2>&1
# The profile of everything else, so that proc macros and build scripts are built once.
RUSTFLAGS="${RUSTFLAGS:-} --deny warnings" cargo check --release --package loam-ffi --package loam-delegates --lib --target "$target"
