#!/bin/sh
# Counts instructions a packet under valgrind, and writes the report, or why there is none, into a file.
#   scripts/count-instructions.sh FILE
set -eu

PATH="$PATH:$HOME/.cargo/bin"
file=$1

for program in valgrind gungraun-runner; do
    if ! command -v $program >/dev/null 2>&1; then
        echo "skipped: there is no $program" >"$file"
        exit
    fi
done
cargo bench --quiet --package testbed --features instructions --bench instructions -- --output-format=json >"$file" ||
    echo "skipped: counting failed" >"$file"
