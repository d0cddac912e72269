#!/usr/bin/env bash
# Accuracies of four tasks, texts, pictures, sounds and motion, on Qualcomm's simulator beside the processor: at most one point apart.
# $LOAM names the command, $TRAINING_VENV the environment that makes data folders, $DATA the published sets ([../shared/data]).
# $LOAM_TARGET names another target than qnn-v75, such as onnx-integer. Takes a quarter of an hour on two cores.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/.."
loam="${LOAM:?the command of the engine}"
target="${LOAM_TARGET:-qnn-v75}"
data="${DATA:-../shared/data}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/loam"
libraries="${LOAM_DELEGATES:-$cache/delegates}"
folders="${LOAM_TRAINING_CACHE:-$cache/training}/folders"
artefacts="$cache/accuracy"
if ! compgen -G "$libraries/onnxruntime/capi/libonnxruntime.so*" >/dev/null || [ ! -d "$libraries/onnxruntime_qnn" ]; then
  echo "skipped: no simulator here (delegates/setup.sh)"
  exit 0
fi
if [ ! -d "$data" ]; then
  echo "skipped: no data sets at $data"
  exit 0
fi
LOAM_ONNXRUNTIME="$(compgen -G "$libraries/onnxruntime/capi/libonnxruntime.so*" | head -1)"
LOAM_QNN="$libraries/onnxruntime_qnn"
export LOAM_ONNXRUNTIME LOAM_QNN

sets=(tweeteval_emotion fashion_mnist esc10 wisdm_watch)
missing=()
for set in "${sets[@]}"; do [ -d "$folders/$set" ] || missing+=("$set"); done
if [ "${#missing[@]}" -gt 0 ]; then
  PYTHONPATH=training "$TRAINING_VENV/bin/python" -m loam_train folders "$folders" "${missing[@]}" --data "$data"
fi

samples=()
for set in "${sets[@]}"; do samples+=(--samples "$folders/$set"); done
components=(--component text --component image --component sound --component imu)
"$loam" compile --target "$target" --output "$artefacts" "${components[@]}" "${samples[@]}"

# Rows are a share of the test split, evenly spread.
accuracy() {
  local adapter="$1" set="$2" rows="$3"
  shift 3
  "$loam" eval "models/adapters/$adapter.safetensors" --data "$folders/$set" --limit "$rows" --only with --json "$@" |
    "$TRAINING_VENV/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["with"]["metrics"]["accuracy"])'
}
failed=0
printf '%-16s %6s %10s %10s\n' adapter rows processor "$target"
while read -r adapter set rows; do
  plain="$(accuracy "$adapter" "$set" "$rows")"
  there="$(accuracy "$adapter" "$set" "$rows" --delegate "$target" --artefacts "$artefacts" --strict)"
  "$TRAINING_VENV/bin/python" - "$adapter" "$rows" "$plain" "$there" <<'PYTHON' || failed=1
import sys

adapter, rows, plain, there = sys.argv[1], sys.argv[2], *(100 * float(value) for value in sys.argv[3:])
print(f"{adapter:16} {rows:>6} {plain:10.2f} {there:10.2f}", flush=True)
sys.exit(abs(plain - there) > 1)
PYTHON
done <<'ROWS'
emotion-text tweeteval_emotion 150
clothes fashion_mnist 300
sounds esc10 117
activity-watch wisdm_watch 300
ROWS
[ "$failed" = 0 ] || { echo "more than one point apart" >&2; exit 1; }
