#!/usr/bin/env bash
# Builds the wheel into bindings/python/dist. Prints its name. Cargo's target directory is reused.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/tools/venv.sh"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$here"
LOAM_CARGO="$(command -v cargo)" PATH="$here/tools:$venv/bin:$PATH" maturin build --release --out "$work" 2>"$work/log" \
  || { cat "$work/log" >&2; exit 1; }

# Stripped only now: bindings are generated from the symbols of the library.
(
  cd "$work"
  "$venv/bin/wheel" unpack --dest unpacked ./*.whl >/dev/null
  strip --strip-unneeded unpacked/*/loam/_ffi/libloam_ffi.*
  rm -f ./*.whl
  "$venv/bin/wheel" pack --dest-dir . unpacked/* >/dev/null
)
mkdir -p "$here/dist"
rm -f "$here"/dist/*.whl
mv "$work"/*.whl "$here/dist/"
ls "$here"/dist/*.whl
