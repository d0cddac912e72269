#!/usr/bin/env bash
# Formatting, types and tests of loam_train. $LOAM names the command of the engine; arguments go to pytest.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${LOAM_TRAINING_VENV:-$HOME/.cache/loam/training-venv}"
export OMP_WAIT_POLICY=passive
cd "$here"
"$venv/bin/ruff" format --check --quiet loam_train tests
"$venv/bin/ruff" check loam_train tests
"$venv/bin/mypy" loam_train tests
"$venv/bin/python" -m pytest "$@"
