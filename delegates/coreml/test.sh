#!/usr/bin/env bash
# Formatting, types and tests of the conversion to Core ML, on the graphs of all networks of the engine's tests. Needs an environment
# with requirements.txt, which LOAM_COREML_VENV names; where there is none, it is made. Arguments go to pytest.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${LOAM_COREML_VENV:-$HOME/.cache/loam/coreml-venv}"
cd "$here"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --requirement requirements.txt
fi
LOAM_GRAPHS="$(mktemp -d)"
export LOAM_GRAPHS
trap 'rm -rf "$LOAM_GRAPHS"' EXIT
cargo run --release --quiet --manifest-path ../Cargo.toml --example graphs -- "$LOAM_GRAPHS"
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
"$venv/bin/mypy" convert.py tests
"$venv/bin/python" -m pytest "$@"
