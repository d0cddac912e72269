#!/usr/bin/env bash
# Runs what many threads share under ThreadSanitizer: the queue, contexts, turns, admission, the thread pool and the service's
# tests. The standard library is built with it, for otherwise its locks would not be seen.
#
# usage: tools/sanitize.sh   (needs a nightly toolchain with rust-src: rustup component add rust-src --toolchain nightly)
set -euo pipefail
cd "$(dirname "$0")/.."

toolchain=${LOAM_FUZZ_TOOLCHAIN:-nightly}
target=$(rustc -vV | sed -n 's/^host: //p')
sysroot=$(rustc "+$toolchain" --print sysroot 2>/dev/null) || {
    echo "skipped: there is no toolchain '$toolchain'" >&2
    exit 3
}
[ -d "$sysroot/lib/rustlib/src/rust/library" ] || {
    echo "skipped: rustup component add rust-src --toolchain $toolchain" >&2
    exit 3
}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitize
export RUSTFLAGS="-Zsanitizer=thread"
export TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tools/sanitize.supp"
# Plain loops: the vector kernels have tests of their own, and take hours here.
export LOAM_KERNELS=scalar

run() {
    cargo "+$toolchain" test -Zbuild-std --target "$target" --release "$@"
}
run --package loam --lib -- schedule:: holdings:: pool:: arena:: budget::
run --package loam --test engine -- schedule:: contexts:: apps:: --test-threads=4
