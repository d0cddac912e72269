#!/usr/bin/env bash
# Times and memory of models of one task each, for `loam bench compare` and `report`: $1 is the folder for them.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${LOAM_TRAINING_VENV:-$HOME/.cache/loam/training-venv}/bin/python"
if [ ! -x "$python" ]; then
  echo "peers: skipped, $python is not there (make training)"
  exit 0
fi
PYTHONPATH="$here/../training" "$python" -m loam_train peers "$1"
