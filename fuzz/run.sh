#!/usr/bin/env bash
# Builds every fuzz target, runs each for the given seconds (240) from its committed corpus, and keeps the smallest
# inputs with the same coverage. Ends with an error when a target finds something; the input is in fuzz/artifacts.
#
# usage: fuzz/run.sh [seconds [target...]]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-240}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(gguf safetensors pytorch adapter gguf_tokenizer chat_template image audio service saved_context signature operators)
toolchain=${LOAM_FUZZ_TOOLCHAIN:-nightly}
max_files=30
max_bytes=2048

command -v cargo-fuzz >/dev/null || {
    echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2
    exit 2
}
export CARGO_TARGET_DIR=$PWD/target/fuzz

# Targets whose readers map files write them here: in memory where there is such a place.
scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/loam-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

max_len() {
    case $1 in
        gguf | safetensors | pytorch | adapter) echo 8192 ;;
        *) echo 4096 ;;
    esac
}

fuzz/seed.sh
cargo "+$toolchain" fuzz build --fuzz-dir fuzz

failed=()
for target in "${targets[@]}"; do
    corpus=fuzz/corpus/$target
    found=$scratch/$target
    mkdir -p "$found" "$corpus"
    options=(-max_len="$(max_len "$target")" -rss_limit_mb=1024 -malloc_limit_mb=512 -timeout=20)
    [ ! -f "fuzz/dictionaries/$target.dict" ] || options+=(-dict="fuzz/dictionaries/$target.dict")
    echo "== $target, $seconds s"
    # New inputs go to the scratch folder; the committed corpus is read only here.
    if ! TMPDIR=$scratch cargo "+$toolchain" fuzz run --fuzz-dir fuzz "$target" "$found" "$corpus" -- \
        "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 -verbosity=1 2>"$scratch/$target.log"; then
        failed+=("$target")
        tail -n 60 "$scratch/$target.log"
    fi
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$scratch/$target.log" || true

    # The corpus stays small: of the short inputs that add coverage, some of each length.
    find "$found" -type f -size +"${max_bytes}c" -delete
    kept=$scratch/$target-kept
    mkdir -p "$kept"
    TMPDIR=$scratch cargo "+$toolchain" fuzz run --fuzz-dir fuzz "$target" "$kept" "$corpus" "$found" -- \
        -merge=1 "${options[@]}" 2>>"$scratch/$target.log" || true
    find "$kept" -type f -printf '%s %p\n' | sort -n >"$scratch/$target-sorted"
    find "$corpus" -type f ! -name 'seed-*' -delete
    seeds=$(find "$corpus" -type f | wc -l)
    awk -v room=$((max_files - seeds)) '
        { line[NR] = $2 }
        END { for (i = 0; i < room && i < NR; i++) print line[1 + int(i * NR / (room < NR ? room : NR))] }
    ' "$scratch/$target-sorted" | while read -r file; do cp "$file" "$corpus/"; done
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "findings in: ${failed[*]}" >&2
    exit 1
fi
