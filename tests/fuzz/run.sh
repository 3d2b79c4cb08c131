#!/bin/bash
# usage: run.sh PROGRAM NAME   fuzz for FUZZ_SECONDS (default 5) starting from corpus/NAME; new inputs go to a scratch folder
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$here/corpus/$2"
"$1" -max_total_time="${FUZZ_SECONDS:-5}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="${FUZZ_ARTIFACTS:-/tmp/}fuzz-$2-" "$scratch" "$here/corpus/$2"
