#!/usr/bin/env bash
# Packs the crate as a registry would get it, and uses the package: its size, and a program of ten lines that
# depends on it, built and run without network and without a C compiler.
#
#     scripts/test-package.sh
#
# The dependencies must have been fetched before (any build of this repository does).
set -euo pipefail
cd "$(dirname "$0")/.."
# Megabytes of 10^6 bytes: what a registry takes, and what a model may have of it.
crate_limit=10000000 model_limit=8500000

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# --no-verify: the program below is the check; --allow-dirty: what is here counts.
cargo package --offline --locked --no-verify --allow-dirty --quiet --target-dir "$scratch/target"
crate=("$scratch"/target/package/demarche-*.crate)
crate_size=$(wc -c < "${crate[0]}")
model_size=$(tar -C models -c demarche-nano | gzip -9 | wc -c)
echo "the package has $crate_size bytes, of which models/demarche-nano $model_size"
[ "$crate_size" -le "$crate_limit" ] || { echo "the package may have $crate_limit bytes"; exit 1; }
[ "$model_size" -le "$model_limit" ] || { echo "models/demarche-nano may have $model_limit bytes packed"; exit 1; }

tar -C "$scratch" -xzf "${crate[0]}"
others=$(cd "$scratch"/demarche-*/models && ls -A)
[ "$others" = demarche-nano ] || { echo "models in the package: $others"; exit 1; }

mkdir -p "$scratch/program/src"
cp Cargo.lock "$scratch/program"
cat > "$scratch/program/Cargo.toml" <<EOF
[package]
name = "program"
version = "0.0.0"
edition = "2024"

[dependencies]
demarche = { path = "$(echo "$scratch"/demarche-*)" }
EOF
cat > "$scratch/program/src/main.rs" <<'EOF'
use demarche::{Error, Tagger};

fn main() -> Result<(), Error> {
    let tagger = Tagger::bundled()?;
    for statement in tagger.tag("The ministry rejected the accusations. It rained on Tuesday.")? {
        println!("{}: {}", statement.stances, statement.text);
    }
    Ok(())
}
EOF
# A build script that called a C compiler would fail. Kept between runs: CARGO_TARGET_DIR, else the project's own.
target=${CARGO_TARGET_DIR:-$PWD/target}
output=$(cd "$scratch/program" \
    && CC=false CXX=false cargo run --offline --release --quiet --target-dir "$target/package-test")
echo "$output"
grep -qx 'rejection: The ministry rejected the accusations\.' <<< "$output"
grep -qx ': It rained on Tuesday\.' <<< "$output"
