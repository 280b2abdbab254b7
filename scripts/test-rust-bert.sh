#!/usr/bin/env bash
# Builds and tests the feature `rust-bert`, and says how long each part took:
#
#     scripts/test-rust-bert.sh [DIR]
#
# DIR is a Python environment with torch 2.4.0 or an unpacked libtorch 2.4.0. Without it, the active Python serves if
# it has that torch; else libtorch is taken from the folder ${DEMARCHE_LIBTORCH:-~/.cache/demarche/libtorch-2.4.0}, and
# fetched into it from the Python package registry where there is none yet.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${DEMARCHE_LIBTORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/demarche/libtorch-2.4.0}
took=()

# WHAT COMMAND…
part() {
    local what=$1 start=$SECONDS
    shift
    "$@"
    took+=("$(printf '%5d s  %s' $((SECONDS - start)) "$what")")
}

if [ $# -gt 0 ]; then
    from=$1
elif python3 -c 'import torch, setuptools; assert torch.__version__.split("+")[0] == "2.4.0"' 2>/dev/null; then
    from=
else
    part "libtorch into $cache" scripts/fetch-libtorch.sh "$cache"
    from=$cache
fi
variables=$(scripts/libtorch.sh ${from:+"$from"})
eval "$variables"

part 'build' cargo test --features rust-bert --lib --test rust_bert --no-run
part 'tests' cargo test --features rust-bert --lib --test rust_bert

printf '%s\n' '' 'rust-bert backend:' "${took[@]}"
