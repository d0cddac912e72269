#!/usr/bin/env bash
# Generates the Kotlin code of loam-ffi, for `jvm` or `android`, into the module's target folder. For the JVM it also puts
# the native library where JNA looks for it in a jar. Does nothing when both are newer than the library and the
# configuration.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
flavour="${1:?jvm or android}"
release="${CARGO_TARGET_DIR:-$root/target}/release"
library="${LOAM_LIBRARY:-$release/libloam_ffi.so}"
bindgen="${LOAM_BINDGEN:-$release/uniffi-bindgen}"
target="$here/$flavour/target"
sources="$target/generated-sources/loam"
config="$target/uniffi.toml"
stamp="$target/generated.stamp"

if [[ ! -f "$library" || ! -x "$bindgen" ]]; then
  (cd "$root" && cargo build --release --quiet --package loam-ffi --package loam-bindgen)
fi
if [[ -f "$stamp" && "$stamp" -nt "$library" && "$stamp" -nt "$root/uniffi.toml" && "$stamp" -nt "$0" ]]; then
  exit 0
fi

mkdir -p "$target"
# Android's flavour uses the system's cleaner from API 34 on; its imports do not compile on a plain JVM.
case "$flavour" in
  jvm) cp "$root/uniffi.toml" "$config" ;;
  android) sed 's/^\[crates\.loam_ffi\.bindings\.kotlin\]$/&\nandroid = true\nandroid_cleaner = true/' "$root/uniffi.toml" >"$config" ;;
  *) echo "generate.sh: '$flavour' is neither jvm nor android" >&2; exit 2 ;;
esac
rm -rf "$sources"
# From the library as it was built: a fully stripped one has no metadata.
(cd "$root" && "$bindgen" generate "$library" --language kotlin --out-dir "$sources" --no-format --config "$config")

if [[ "$flavour" == jvm ]]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) prefix=linux-x86-64 ;;
    Linux-aarch64) prefix=linux-aarch64 ;;
    Darwin-arm64) prefix=darwin-aarch64 ;;
    Darwin-x86_64) prefix=darwin-x86-64 ;;
    *) echo "generate.sh: JNA's name of $(uname -s)-$(uname -m) is not known here" >&2; exit 2 ;;
  esac
  resources="$target/generated-resources/$prefix"
  mkdir -p "$resources"
  strip --strip-debug -o "$resources/$(basename "$library")" "$library"
fi
touch "$stamp"
