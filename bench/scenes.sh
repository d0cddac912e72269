#!/usr/bin/env bash
# Heads over the places of pictures on scenes of known boxes, masks and counts, written in the forms of COCO, ADE20K, UCF-QNRF and
# RefMatte: no set of such tasks is at hand. Photographs to make larger and to draw in a style, in the forms of Set5 and WikiArt,
# too. $1 names the command, $2 the folder of results, $3 how many scenes of each kind.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/.."
loam="$1" runs="$2" count="$3"
python="${LOAM_TRAINING_VENV:-$HOME/.cache/loam/training-venv}/bin/python"
if [ ! -x "$python" ]; then
  echo "scenes: skipped, $python is not there (make training)"
  exit 0
fi
PYTHONPATH=training "$python" -m loam_train scenes "$runs/scenes" --count "$count"
PYTHONPATH=training "$python" -m loam_train upscaled-set "$runs/pictures"
PYTHONPATH=training "$python" -m loam_train styled-set "$runs/styled"
"$loam" bench run --task T17 --data "$runs/pictures" --named pictures/held --out "$runs" --restart
"$loam" bench run --task T18 --data "$runs/styled" --named pictures/styled --out "$runs" --restart
for pair in T14:detection T19:segmentation T30:counting T31:matting; do
  kind="${pair##*:}"
  "$loam" bench run --task "${pair%%:*}" --data "$runs/scenes/$kind" --named "scenes/$kind" --out "$runs" --restart
done
