#!/usr/bin/env bash
# Makes the environment in which adapters, towers and projectors are trained: $LOAM_TRAINING_VENV, or
# ~/.cache/loam/training-venv. It is made once, again when requirements.txt changes, and gets the engine's wheel where
# `make python` has built it. Torch alone is 4 GB with what comes along.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${LOAM_TRAINING_VENV:-$HOME/.cache/loam/training-venv}"
stamp="$venv/requirements.stamp"

if cmp -s "$here/requirements.txt" "$stamp"; then
  echo "training: environment up to date"
else
  [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
fi

shopt -s nullglob
wheels=("$here"/../bindings/python/dist/*.whl)
if ((${#wheels[@]})); then
  # The wheel may be new under an old version.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "${wheels[@]}"
else
  echo "training: no wheel of the engine; \`make python\` builds it, and what needs it skips until then"
fi
