#!/usr/bin/env bash
# Opens the desktop twin on a display of its own, works on each of the four screens, and saves what the display showed:
# text and conversation on loam-nano where it was pulled, photos, speech and motion on the tiny models of the scenarios.
# Usage: screenshots.sh [DIRECTORY], docs/ if none is given. About 20 s, and as much again where it has to be built.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/.." && pwd)"
out="${1:-$here/docs}"
scenarios="${LOAM_SCENARIOS:-${CARGO_TARGET_DIR:-$root/target}/scenarios}"
nano="${LOAM_HOME:-$HOME/.cache/loam}/foundations/loam-nano"

if [[ ! -d "$scenarios/tiny" ]]; then
  echo "screenshots.sh: $scenarios is not there; make scenarios" >&2
  exit 2
fi
if ! command -v xvfb-run >/dev/null; then
  apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends xvfb xauth fonts-dejavu-core
fi
if [[ ! -f "$here/desktop/target/desktop-0.1.0.jar" ]]; then
  "$here/build.sh"
fi

language=(--foundation "$nano" --adapters "$root/models/adapters")
if [[ ! -d "$nano" ]]; then
  echo "screenshots.sh: loam-nano is not there (make pull): the tiny models answer instead" >&2
  language=(--foundation "$scenarios/tiny" --adapters "$scenarios/adapters")
fi
mkdir -p "$out"
xvfb-run --auto-servernum --server-args "-screen 0 1024x900x24" \
  java -Dsun.java2d.uiScale=1 -cp "$here/desktop/target/desktop-0.1.0.jar:$here/desktop/target/libraries/*" \
  dev.loam.sample.desktop.MainKt "${language[@]}" \
  --senses "$scenarios/tiny" --sense-adapters "$scenarios/adapters" \
  --speech "$scenarios/speech.wav" --motion "$scenarios/walk.f32" --photo "$scenarios/square.png" \
  --screenshots "$out"
ls -l "$out"
