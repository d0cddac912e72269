#!/usr/bin/env bash
# Installs the wheel of bindings/python/dist, which build.sh made, into the cached environment, and tests it there: types,
# then behaviour. Arguments go to pytest. `make scenarios` must have run; tests of loam-nano skip where it was not pulled.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/tools/venv.sh"

# Its dependencies are there; the wheel itself may be new under an old version.
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$here"/dist/*.whl
cd "$here"
"$venv/bin/mypy" --package loam
"$venv/bin/mypy" tests examples benchmark
"$venv/bin/python" -m pytest "$@" tests
