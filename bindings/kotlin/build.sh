#!/usr/bin/env bash
# Everything of the Kotlin packages: generates the code, compiles and tests both of them, writes the API reference, publishes
# into target/maven, packs the AAR, and runs an app that knows only what was published. Can be run again at any time.
# What the tests work on comes from `make scenarios`.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here"

rm -rf target/maven jvm/target/{surefire-reports,reference,javadoc} android/target/surefire-reports
mvn --quiet --batch-mode --activate-profiles reference deploy -DaltDeploymentRepository="loam::file://$here/target/maven"
./aar.sh
./consumer.sh

# Surefire says nothing when Maven is quiet.
awk -F'"' '/<testsuite / {
  for (i = 1; i < NF; i++) {
    if ($i ~ / tests=$/) tests += $(i + 1)
    if ($i ~ / (errors|failures)=$/) failed += $(i + 1)
    if ($i ~ / skipped=$/) skipped += $(i + 1)
  }
} END { printf "%d passed, %d failed, %d skipped\n", tests - failed - skipped, failed, skipped; exit !tests }' \
  jvm/target/surefire-reports/TEST-*.xml android/target/surefire-reports/TEST-*.xml
