#!/usr/bin/env bash
# Links the library for 64-bit Android without an NDK, and checks what can be checked of it: that every segment fits pages of
# 16 KB, and that it is at most LIMIT bytes without symbols.
# The file is NOT for shipping: Android's own libraries are empty stand-ins here, so that it names none that it needs.
# Usage: tools/android-size.sh [LIMIT in bytes, default 12582912] [cargo profile, default release]
set -euo pipefail
cd "$(dirname "$0")/.."
limit="${1:-$((12 * 1024 * 1024))}"
profile="${2:-release}"
target=aarch64-linux-android
built="${CARGO_TARGET_DIR:-target}/$target/$profile"

rustup target add "$target" >/dev/null 2>&1
sysroot="$(rustc --print sysroot)"
tools="$sysroot/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin"
stubs="$(mktemp -d)"
trap 'rm -rf "$stubs"' EXIT
# An empty file is a linker script that adds nothing: what the library needs stays undefined, as shared libraries may.
for name in c m dl log unwind gcc; do
  : >"$stubs/lib$name.so"
done

# Arguments of the last crate alone, so that nothing else is built again for the sake of a folder's name.
cargo rustc --profile "$profile" --package loam-ffi --lib --crate-type cdylib --target "$target" -- \
  -C linker="$tools/rust-lld" -C linker-flavor=ld.lld -C link-arg=-L"$stubs" \
  -C link-arg=-z -C link-arg=max-page-size=16384 -C link-arg=-soname=libloam_ffi.so

stripped="$built/libloam_ffi.stripped.so"
LD_LIBRARY_PATH="$sysroot/lib" "$tools/rust-objcopy" --strip-all "$built/libloam_ffi.so" "$stripped"

loads="$(readelf -lW "$stripped" | awk '$1 == "LOAD" { print $NF }')"
if [[ -z "$loads" ]] || grep -qvx 0x4000 <<<"$loads"; then
  echo "android-size: segments are not all aligned to 16 KB:" $loads >&2
  exit 1
fi
size="$(stat -c %s "$stripped")"
printf 'android-size: %d segments at 16 KB, %d.%02d MB stripped of at most %d.%02d MB (not for shipping: %s)\n' \
  "$(wc -l <<<"$loads")" $((size / 1048576)) $((size % 1048576 * 100 / 1048576)) \
  $((limit / 1048576)) $((limit % 1048576 * 100 / 1048576)) "$stripped"
if ((size > limit)); then
  echo "android-size: $((size - limit)) bytes too many" >&2
  exit 1
fi
