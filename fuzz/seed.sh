#!/usr/bin/env bash
# Makes the first inputs of every target from the committed fixtures: fuzz/corpus/<target>/seed-*.
# Files of more than 4 KB are left out; the fuzzer needs small ones.
set -euo pipefail
cd "$(dirname "$0")"
exec python3 seed.py
