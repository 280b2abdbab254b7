#!/usr/bin/env bash
# Fetches libtorch 2.4.0 for the processor alone, from the Python package registry, into DIR:
#
#     scripts/fetch-libtorch.sh DIR
#
# The registry's wheel is built for CUDA: 797 MB to fetch, of which the processor needs a third. Its other
# libraries, and 2 GB of packages that the wheel depends on, are left out; two small ones that its main
# library names are fetched too. For x86-64 Linux. See docs/rust-bert.md.
set -euo pipefail

dir=${1:?usage: fetch-libtorch.sh DIR}
[ -e "$dir/build-version" ] && exit 0
[ "$(uname -sm)" = 'Linux x86_64' ] || {
    echo 'fetch-libtorch.sh: only for x86-64 Linux; see docs/rust-bert.md for other ways' >&2
    exit 1
}
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$(dirname "$dir")/libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT

python3 -m pip download --quiet --no-cache-dir --no-deps --only-binary=:all: \
    --python-version 3.11 --platform manylinux1_x86_64 --dest "$work/wheels" \
    torch==2.4.0 nvidia-cuda-cupti-cu12==12.1.105 nvidia-cuda-runtime-cu12==12.1.105 >&2

python3 - "$work" <<'PYTHON'
import pathlib, shutil, sys, zipfile

work = pathlib.Path(sys.argv[1])
wanted = {
    "torch/lib/libc10.so": "lib/libc10.so",
    "torch/lib/libtorch_cpu.so": "lib/libtorch_cpu.so",
    "torch/lib/libgomp-a34b3233.so.1": "lib/libgomp-a34b3233.so.1",
    "nvidia/cuda_cupti/lib/libcupti.so.12": "lib/libcupti.so.12",
    "nvidia/cuda_runtime/lib/libcudart.so.12": "lib/libcudart.so.12",
}
for wheel in (work / "wheels").iterdir():
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            header = name.startswith("torch/include/") and not name.endswith("/")
            to = name.removeprefix("torch/") if header else wanted.get(name)
            if to:
                path = work / "libtorch" / to
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
PYTHON

# Programs link with libtorch.so too, which only leads to the libraries for the processor and for CUDA.
cc -shared -x c /dev/null -o "$work/libtorch/lib/libtorch.so"
echo 2.4.0+cpu >"$work/libtorch/build-version"
rm -rf "$dir"
mv "$work/libtorch" "$dir"
