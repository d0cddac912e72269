#!/usr/bin/env bash
# Everything of the sample that can be shown without a phone: presenters on the real engine, the desktop twin's parts, the
# Android app compiled, and its activity on Robolectric. Needs what `make scenarios` prepares; tests of the real foundation
# skip where it was not pulled. A minute or two.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/.." && pwd)"
export LOAM_SCENARIOS="${LOAM_SCENARIOS:-${CARGO_TARGET_DIR:-$root/target}/scenarios}"
if [[ ! -d "$LOAM_SCENARIOS/tiny" ]]; then
  echo "test.sh: $LOAM_SCENARIOS is not there; make scenarios" >&2
  exit 2
fi
"$here/build.sh" package
for module in presenters desktop app; do
  grep -h '^Tests run' "$here/$module"/target/surefire-reports/*.txt | sed "s/^/$module: /"
done
