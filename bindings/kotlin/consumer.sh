#!/usr/bin/env bash
# Runs the README's first program as a project of its own, which knows Loam only as an artifact in target/maven.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
home="${LOAM_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/loam}"
foundation="$home/foundations/loam-nano"
scenarios="${LOAM_SCENARIOS:-${CARGO_TARGET_DIR:-$here/../../target}/scenarios}"
# The tiny foundation says nothing that makes sense, but it says it through everything.
[[ -d "$foundation" ]] || foundation="$scenarios/tiny"

cd "$here/consumer"
rm -rf target
mkdir -p target/sources
"$here/snippets.sh" --program "$here/consumer/target/sources/Main.kt"
# Maven keeps what it resolved once, also when the repository holds a newer build of the same version.
rm -rf "${MAVEN_LOCAL:-$HOME/.m2/repository}/dev/loam"
mvn --quiet --batch-mode compile exec:java -Dexec.args="$foundation" >target/answer.txt
answer="$(sed 's/\x1b\[[0-9;]*m//g' target/answer.txt | tr -d '\0')"
[[ -n "${answer//[[:space:]]/}" ]] || { echo "consumer.sh: it did not answer" >&2; exit 1; }
if [[ "$foundation" == */loam-nano && "$answer" != *Paris* ]]; then
  echo "consumer.sh: it answered '$answer'" >&2
  exit 1
fi
echo "consumer: $answer"
