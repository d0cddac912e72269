#!/usr/bin/env bash
# Rebuilds everything under core/tests/fixtures from the reference engines.
#
# The result is deterministic on one machine; across machines the last bits of
# an expected value may differ, so a rebuild is committed only with a reason.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${LOAM_PARITY_VENV:-$HOME/.cache/loam/parity-venv}/bin/python"

"$here/setup.sh"
cd "$here"
export TQDM_DISABLE=1 PYTHONDONTWRITEBYTECODE=1
for step in make_models make_gguf make_partial_rotary make_blocks make_quantized make_peft make_pictures make_vision make_towers make_pairs make_imagebind make_ast make_heads make_tags make_backbone_heads make_limu make_clip_tokenizer make_minilm make_pytorch make_smollm2 make_audio make_projector make_smolvlm make_vits make_edsr make_ctc make_whisper; do
  echo "== $step"
  "$python" "$step.py"
done
