#!/usr/bin/env bash
# Succeeds when every loaded segment of every given library begins on a 16 KB page, which devices since Android 15 may have.
set -euo pipefail
readelf="${READELF:-readelf}"
[[ $# -gt 0 ]] || { echo "check-alignment.sh: which libraries?" >&2; exit 2; }
for library in "$@"; do
  # An alignment is the last column; 0x4000 and its multiples will do.
  "$readelf" -lW "$library" | awk -v library="$library" '
    $1 == "LOAD" { count += 1; if ($NF !~ /^0x[0-9a-f]*[048c]000$/ || $NF == "0x0") bad = bad " " $NF }
    END {
      if (!count) { print library ": no loaded segment" > "/dev/stderr"; exit 1 }
      if (bad) { print library ": segments aligned to" bad ", wanted are multiples of 0x4000" > "/dev/stderr"; exit 1 }
      print library ": " count " segments, aligned for pages of 16 KB"
    }'
done
