#!/usr/bin/env bash
# Builds the presenters, the desktop twin and the check of the Android app with Maven. Arguments go to Maven; without any it
# builds and does not test. Builds the package of bindings/kotlin first where it is not there.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
published="$here/../bindings/kotlin/target/maven/dev/loam/loam/0.1.0"
cached="$HOME/.m2/repository/dev/loam"

if [[ ! -f "$published/loam-0.1.0.jar" ]]; then
  "$here/../bindings/kotlin/build.sh"
fi
# Maven keeps its copy of a version for ever, also where that version was built anew.
if [[ -d "$cached/loam" ]] && ! cmp --silent "$published/loam-0.1.0.jar" "$cached/loam/0.1.0/loam-0.1.0.jar"; then
  rm -rf "$cached/loam" "$cached/loam-parent"
fi
cd "$here"
if [[ $# -eq 0 ]]; then
  set -- package -Dmaven.test.skip=true
fi
mvn --batch-mode --quiet "$@"
