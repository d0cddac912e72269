#!/usr/bin/env bash
# Compiles the encoders of loam-nano for Qualcomm's NPU, with sample data of this repository, and runs them on its simulator beside the
# processor. $LOAM names the command. Takes some three minutes, most of it in the simulator, whose times say nothing of a device.
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

show() {
  echo
  echo "\$ loam $*"
  "$loam" "$@"
  echo "  on the NPU's simulator:"
  "$loam" "$@" --delegate qnn-v75 --strict
}
show classify --image "$(compgen -G 'models/demo/mnist/test/*.png' | head -1)" --adapter models/adapters/digits.safetensors
show classify --image "$(compgen -G 'models/demo/fashion_mnist/test/*.png' | head -1)" --adapter models/adapters/clothes.safetensors
show transcribe "$(compgen -G 'models/demo/fsdd/test/3_*.flac' | head -1)"
show classify --sound "$(compgen -G 'models/demo/esc10/test/*.flac' | head -1)" --adapter models/adapters/sounds.safetensors
