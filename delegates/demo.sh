#!/usr/bin/env bash
# Compiles the encoders of loam-nano for Qualcomm's NPU, with sample data of this repository, and runs them on its simulator beside the
# processor. $LOAM names the command. Takes some five minutes, most of it in the simulator, whose times say nothing of a device.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/.."
loam="${LOAM:?the command of the engine}"
libraries="${LOAM_DELEGATES:-${XDG_CACHE_HOME:-$HOME/.cache}/loam/delegates}"
if ! compgen -G "$libraries/onnxruntime/capi/libonnxruntime.so*" >/dev/null || [ ! -d "$libraries/onnxruntime_qnn" ]; then
  echo "skipped: no simulator here (delegates/setup.sh)"
  exit 0
fi
LOAM_ONNXRUNTIME="$(compgen -G "$libraries/onnxruntime/capi/libonnxruntime.so*" | head -1)"
LOAM_QNN="$libraries/onnxruntime_qnn"
export LOAM_ONNXRUNTIME LOAM_QNN

samples=()
for set in mnist fashion_mnist easy_vqa esc10 fsdd wisdm_watch; do samples+=(--samples "models/demo/$set"); done
components=(--component text --component image --component sound --component imu --component speech)
"$loam" compile --target qnn-v75 "${components[@]}" --seconds 1 "${samples[@]}"
# The backbone on ONNX Runtime's integers, the same graph: on the simulator a token takes seconds.
"$loam" compile --target onnx-integer --component backbone

show() {
  echo
  echo "\$ loam $*"
  "$loam" "$@"
  echo "  on ${target:-qnn-v75}:"
  "$loam" "$@" --delegate "${target:-qnn-v75}" --strict
}
echo "What runs where, and how much of it:"
"$loam" places --delegate qnn-v75 --delegate onnx-integer
show classify --image "$(compgen -G 'models/demo/mnist/test/*.png' | head -1)" --adapter models/adapters/digits.safetensors
show classify --image "$(compgen -G 'models/demo/fashion_mnist/test/*.png' | head -1)" --adapter models/adapters/clothes.safetensors
show transcribe "$(compgen -G 'models/demo/fsdd/test/3_*.flac' | head -1)"
show sense "$(compgen -G 'models/demo/wisdm_watch/test/*.csv' | head -1)" --rate 20 --adapter models/adapters/activity-watch.safetensors
show classify 'I am so glad that you came' --adapter models/adapters/emotion-text.safetensors
show classify --sound "$(compgen -G 'models/demo/esc10/test/*.flac' | head -1)" --adapter models/adapters/sounds.safetensors
target=onnx-integer
show chat 'Name the four seasons of a year, in their order, and say in one sentence for each of them what the weather is like then in the north of Europe.' --max-tokens 24
