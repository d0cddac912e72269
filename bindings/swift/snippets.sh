#!/usr/bin/env bash
# Turns the Swift blocks of a Markdown file into tests: one function each, in the order of the file.
#
# `print(VALUE)  // => TEXT` becomes the expectation that VALUE reads TEXT. A block that opens `loam-nano` runs where that
# foundation was fetched; the others run in a folder where the names they use are files (ReadmeFolder.swift).
set -euo pipefail
awk '
    function end_block(    i) {
        printf "\n    // README.md, line %d\n    @Test(%s)\n", first, nano ? ".enabled(if: Place.nano != nil, Place.noNano)" : ""
        printf "    func snippet%d() async throws {\n        try ReadmeFolder.enter()\n", ++number
        # Types of a block come before its statements anyway; a do block keeps its names apart.
        for (i = 1; i <= lines; i++) print (block[i] == "" ? "" : "        " block[i])
        print "    }"
    }
    BEGIN {
        print "//  Made by snippets.sh from README.md."
        print "import Foundation\nimport Loam\nimport Testing\n\n@Suite(.serialized) struct ReadmeSnippets {"
    }
    /^```swift$/ { inside = 1; lines = 0; nano = 0; first = NR + 1; next }
    /^```$/ && inside { inside = 0; end_block(); next }
    inside {
        if ($0 ~ /loam-nano/) nano = 1
        if ($0 ~ /^import /) next
        if (match($0, /print\(.*\) *\/\/ => /)) {
            head = substr($0, 1, RSTART - 1)
            call = substr($0, RSTART, RLENGTH)
            text = substr($0, RSTART + RLENGTH)
            sub(/\) *\/\/ => $/, "", call)
            sub(/^print\(/, "", call)
            $0 = head "#expect(\"\\(" call ")\" == #\"" text "\"#)"
        }
        block[++lines] = $0
    }
    END { print "}" }
' "$1"
