#!/usr/bin/env bash
# Writes the Kotlin blocks of README.md as test sources, so that ReadmeTest compiles and runs them. A block with a `main` is a
# program of its own; the others become functions whose receiver has what the README says is given. Blocks are named by the
# heading above them.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="$here/jvm/target/generated-test-sources/readme"

if [[ "${1:-}" == --program ]]; then
  # Only the first program, into the file that is named, for a project of its own.
  awk '/^```kotlin$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$here/README.md" >"${2:?a file}"
  exit 0
fi
rm -rf "$out"
mkdir -p "$out"
awk -v out="$out" '
  /^#+ / && !inside { heading = $0; sub(/^#+ /, "", heading) }
  /^```kotlin$/ { inside = 1; imports = ""; body = ""; main = 0; next }
  /^```$/ && inside {
    inside = 0
    if (main) {
      file = out "/Program.kt"
      print "package dev.loam.readme\n" imports body > file
    } else {
      count += 1
      file = out "/Snippet" count ".kt"
      print "package dev.loam.readme\nimport dev.loam.*\n" imports "suspend fun Given.snippet" count "() {\n" body "}" > file
      names = names "    \"" heading "\" to { snippet" count "() },\n"
    }
    close(file)
    next
  }
  inside && /^import / { imports = imports $0 "\n"; next }
  inside { if ($0 ~ /^fun main\(/) main = 1; body = body $0 "\n" }
  END {
    print "package dev.loam.readme\nimport dev.loam.Given\n" > (out "/Snippets.kt")
    print "val snippets: List<Pair<String, suspend Given.() -> Unit>> = listOf(\n" names ")" > (out "/Snippets.kt")
  }
' "$here/README.md"
