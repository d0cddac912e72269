#!/usr/bin/env bash
# Runs the engine's tests on 64-bit Arm under qemu, on processor models with different instruction sets.
# Usage: tools/aarch64-test.sh [all|quick]; quick runs the kernels and the adapters only, which is where instruction sets matter.
set -euo pipefail
cd "$(dirname "$0")/.."
extent="${1:-all}"
target=aarch64-unknown-linux-gnu

rustup target add "$target" >/dev/null
if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static >/dev/null
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# The assembler parts of dependencies ask for Arm's half-precision instructions, which all phones since 2018 have.
export CFLAGS_aarch64_unknown_linux_gnu="-march=armv8.2-a+fp16"
case "$extent" in
  # Skipped: the large models, which qemu runs for minutes, and page faults, which its /proc does not count.
  all) which=(--lib --test engine) tests=(--skip stories260k --skip smollm2:: --skip minilm:: --skip a_touched_buffer) ;;
  quick) which=(--lib --test engine) tests=(quant:: pool:: kernels:: adapters:: formats::) ;;
  *) echo "aarch64-test.sh: '$extent' is neither all nor quick" >&2; exit 2 ;;
esac
# cortex-a57 has neither dotprod nor i8mm, cortex-a76 has dotprod, max has both.
for cpu in cortex-a57 cortex-a76 max; do
  echo "== $cpu"
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -cpu $cpu -L /usr/aarch64-linux-gnu" \
    cargo test --release --package loam "${which[@]}" --target "$target" -- "${tests[@]}"
done
