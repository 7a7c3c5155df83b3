#!/bin/bash
# Runs the fuzz targets one after the other and shows a table; exit code 1 if one of them found something.
#   scripts/fuzz.sh [SECONDS [TARGET...]]   by default 60 s for each target
#   scripts/fuzz.sh --ci                    a short run within 90 s, build included; says "skipped: why" where it can't be
# Logs, corpora and findings are left under fuzz/: see docs/fuzzing.md.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH="$PATH:$HOME/.cargo/bin"
TARGETS=(parser rewriter lb_engine server_engine scoreboard config)
RSS_LIMIT_MB=1024
CI_BUILD_S=60
CI_TARGET_S=4

is_ci=
if [ "${1-}" = --ci ]; then
    is_ci=1
    shift
fi
seconds=${1:-$([ -n "$is_ci" ] && echo $CI_TARGET_S || echo 60)}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "usage: $0 [SECONDS [TARGET...]]" >&2; exit 2; }
shift || true
[ $# -eq 0 ] || TARGETS=("$@")

# What can't be done here is no failure of a build; for somebody who asked for fuzzing it is one.
cannot() {
    if [ -n "$is_ci" ]; then
        echo "skipped: fuzzing, $1"
        exit 0
    fi
    echo "cannot fuzz: $1" >&2
    exit 1
}

cargo +nightly --version >/dev/null 2>&1 || cannot "there is no nightly toolchain"
[ -n "$is_ci" ] || scripts/install-missing.sh fuzz
cargo fuzz --version >/dev/null 2>&1 || cannot "there is no cargo-fuzz (scripts/install-missing.sh fuzz)"

# In CI every clone is a new one: what was built of other people's crates is kept outside of it.
target_dir=${FUZZ_TARGET_DIR:-fuzz/target}
[ -z "$is_ci" ] || target_dir=${FUZZ_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/srlb-fuzz}
mkdir -p "$target_dir" fuzz/logs
target_dir=$(realpath "$target_dir")

build() {
    # No sanitizer: there is no unsafe code but a mapping whose loads are checked, and without one there are more inputs a second.
    # Overflow checks and debug assertions are on.
    (cd fuzz && cargo +nightly fuzz build --sanitizer none --target-dir "$target_dir")
}
echo "building the targets ..." >&2
started=$SECONDS
if [ -n "$is_ci" ]; then
    # What another clone has built must not pass for what is here: cargo tells by the files' times.
    git ls-files -z '*.rs' | xargs -0 touch -c
    export -f build && export target_dir
    code=0
    timeout $CI_BUILD_S bash -c build >fuzz/logs/build.txt 2>&1 || code=$?
    [ $code -ne 124 ] || cannot "the targets were not built within $CI_BUILD_S s; the next run goes on from here"
    [ $code -eq 0 ] || { cat fuzz/logs/build.txt >&2; exit 1; }
else
    build
fi
# The seeds come from the golden samples, by the stable toolchain.
cargo run --quiet --package fuzz-bodies --example seeds -- fuzz/corpus
echo "built in $((SECONDS - started)) s" >&2

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# The last line of a log with numbers in it, shortened.
state_of() {
    grep -aE '^#[0-9]+' "$1" 2>/dev/null | tail -n 1 | sed -E 's/^#([0-9]+)\s+(\w+)/\1 executions/; s/ (corp|lim|rss|L|MS):.*//' || true
}

# run_one TARGET: SECONDS long, with a line of progress.
run_one() {
    local target=$1 log=fuzz/logs/$1.txt began=$SECONDS options=()
    mkdir -p "fuzz/artifacts/$target" "fuzz/corpus/$target"
    [ ! -f "fuzz/dictionaries/$target.dict" ] || options+=("-dict=fuzz/dictionaries/$target.dict")
    # What is known already is no finding, and is mended before anything else is looked for.
    [ ! -d "fuzz/regressions/$target" ] || options+=("fuzz/regressions/$target")
    nice -n 19 "$target_dir/$host/release/$target" "-max_total_time=$seconds" "-rss_limit_mb=$RSS_LIMIT_MB" \
        -timeout=25 -max_len=4096 -print_final_stats=1 "-artifact_prefix=fuzz/artifacts/$target/" \
        "fuzz/corpus/$target" "${options[@]}" >"$log" 2>&1 &
    child=$!
    while kill -0 $child 2>/dev/null; do
        cpu_s[$target]=$(cpu_of $child)
        wall_s[$target]=$((SECONDS - began))
        progress "$target" "${wall_s[$target]}" "$log"
        sleep 1
    done
    wait $child && codes[$target]=0 || codes[$target]=$?
    child=
    [ ! -t 2 ] || echo >&2
}

# CPU time of a process so far, in seconds: fields 14 and 15 of its stat, in ticks.
cpu_of() {
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) / hz }' "/proc/$1/stat" 2>/dev/null || true
}

# A line that is written over on a terminal, one every half minute elsewhere.
progress() {
    local line
    line=$(printf '%-14s %4d/%d s  %s' "$1" "$2" "$seconds" "$(state_of "$3")")
    if [ -t 2 ]; then
        printf '\r%-110s' "$line" >&2
    elif [ $(($2 % 30)) -eq 0 ]; then
        echo "$line" >&2
    fi
}

number() {
    grep -aE "$2" "$1" | tail -n 1 | sed -E "s/.*$2.*/\\1/" || true
}

row() {
    local log=fuzz/logs/$1.txt findings
    findings=$(find "fuzz/artifacts/$1" -type f 2>/dev/null | wc -l)
    [ "${codes[$1]}" -eq 0 ] || [ "$findings" -gt 0 ] || findings="exit code ${codes[$1]}"
    printf '%-14s %9s %9s %12s %8s %7s %9s %8s  %s\n' "$1" \
        "${wall_s[$1]-}" "${cpu_s[$1]-}" \
        "$(number "$log" 'number_of_executed_units: ([0-9]+)')" "$(number "$log" 'average_exec_per_sec: *([0-9]+)')" \
        "$(number "$log" '^#.* cov: ([0-9]+)')" "$(number "$log" '^#.* ft: ([0-9]+)')" \
        "$(number "$log" 'peak_rss_mb: *([0-9]+)')" "$findings"
}

declare -A codes wall_s cpu_s
for target in "${TARGETS[@]}"; do
    run_one "$target"
done

printf '\n%-14s %9s %9s %12s %8s %7s %9s %8s  %s\n' target wall_s cpu_s executions exec/s edges features rss_mb findings
failed=0
for target in "${TARGETS[@]}"; do
    row "$target"
    [ "${codes[$target]}" -eq 0 ] || failed=1
    [ -z "$(find "fuzz/artifacts/$target" -type f | head -n 1)" ] || failed=1
done
if [ $failed -ne 0 ]; then
    echo
    echo "findings are in fuzz/artifacts/, what was said about them in fuzz/logs/; a mended one becomes fuzz/regressions/TARGET/NAME"
fi
exit $failed
