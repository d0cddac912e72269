#!/bin/sh
# Every row that has an aim: tables on the standard output, raw numbers and pictures in bench/results of Loam's directory.
# LOAM is the program, PYTHON an interpreter with parity/requirements.txt, ROUNDS how often each row is measured (2).
set -eu
cd "$(dirname "$0")"
programs=$(dirname "$LOAM")
results=${LOAM_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/loam}/bench/results
rounds=${ROUNDS:-2}
stamp=$(date +%Y-%m-%d-%H%M%S)

"$PYTHON" models.py
"$PYTHON" compare.py --loam "$LOAM" --rounds "$rounds" --suite decode,prefill,sequences,lora,memory,busy,perplexity \
  --output "$results/$stamp.json"
"$PYTHON" compare.py --loam "$LOAM" --rounds 1 --suite context,rows --models smollm2-135m-Q4_1,smollm2-135m-Q8_0 \
  --output "$results/$stamp-curves.json"
"$PYTHON" plots.py "$results/$stamp.json" "$results/$stamp-curves.json" --output "$results/$stamp"
"$PYTHON" candle.py --loam "$LOAM" --candle "$programs/candle-prefill" --rounds "$rounds"
named="MiniLM|ViT-B/32 224|Whisper tiny"
IFS='|'
# The encoders that have an aim; without --case all of them are measured.
"$PYTHON" encoders.py --program "$programs/examples/encoder_latency" --rounds "$rounds" --case $named
"$PYTHON" encoders.py --program "$programs/examples/encoder_latency" --rounds "$rounds" --int8 --case $named
# Many apps on one engine, beside a process for each.
"$PYTHON" crowd.py --output "$results/$stamp-crowd.svg"
"$PYTHON" switch.py
