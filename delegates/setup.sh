#!/usr/bin/env bash
# Fetches ONNX Runtime and Qualcomm's provider for it, with the simulator of its NPU, as PyPI has them for x86-64 Linux, and
# unpacks them into $LOAM_DELEGATES, or ~/.cache/loam/delegates: 280 MB. Nothing of them is copied into this repository: the
# provider is MIT-licensed, Qualcomm's libraries come under its own licence, which lies beside them.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
to="${LOAM_DELEGATES:-${XDG_CACHE_HOME:-$HOME/.cache}/loam/delegates}"
python="${PYTHON:-python3}"

if cmp -s "$here/requirements.txt" "$to/requirements.txt"; then
  echo "delegates: libraries up to date in $to"
  exit 0
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "delegates: no wheels with the simulator for $(uname -sm); tests of delegates skip"
  exit 0
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# The libraries do not depend on Python: one version of the wheels serves all.
if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
  --implementation cp --python-version 3.11 --abi cp311 \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_35_x86_64 -d "$work" -r "$here/requirements.txt"; then
  echo "delegates: the wheels cannot be fetched; tests of delegates skip" >&2
  exit 0
fi
mkdir -p "$work/unpacked"
for wheel in "$work"/*.whl; do
  "$python" -m zipfile -e "$wheel" "$work/unpacked"
done
cp "$here/requirements.txt" "$work/unpacked/"
mkdir -p "$(dirname "$to")"
rm -rf "$to"
mv "$work/unpacked" "$to"
echo "delegates: ONNX Runtime and QNN are in $to"
