#!/usr/bin/env bash
# Prints what crossing into the engine costs, as a Markdown table. Needs `make scenarios`.
set -euo pipefail
cd "$(dirname "$0")"
mvn --quiet --batch-mode --projects jvm test-compile org.codehaus.mojo:exec-maven-plugin:3.6.2:java \
  -Dexec.mainClass=dev.loam.BenchmarkKt -Dexec.classpathScope=test -Dloam.root="$(cd ../.. && pwd)"
