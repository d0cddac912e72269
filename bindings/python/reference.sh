#!/usr/bin/env bash
# Writes the API reference of the installed package, which test.sh installs, into bindings/python/dist/reference.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/tools/venv.sh"
# All is documented in `loam`; pdoc cannot follow kinds whose cases are nested in them.
"$venv/bin/pdoc" --no-show-source --docformat google --output-directory "$here/dist/reference" \
  loam '!loam.variants' '!loam.self_test' '!loam._ffi'
echo "$here/dist/reference/loam.html"
