#!/usr/bin/env bash
# Sets up the variables that the feature `rust-bert` needs to build and to run:
#
#     eval "$(scripts/libtorch.sh)"            # from the active Python
#     eval "$(scripts/libtorch.sh DIR)"        # from a Python environment, or from an unpacked libtorch
#
# Standard output is for the shell, messages go to standard error. See docs/rust-bert.md.
set -euo pipefail

wanted=2.4.0

fail() {
    printf 'libtorch.sh: %s\n' "$@" >&2
    echo false # what `eval` returns
    exit 1
}

# NAME VALUE
say_export() {
    printf 'export %s=%q\n' "$1" "$2"
}

# LIB: where programs find the shared libraries at run time
say_library_path() {
    local name=LD_LIBRARY_PATH
    [ "$(uname)" = Darwin ] && name=DYLD_LIBRARY_PATH
    local before=${!name:-}
    say_export "$name" "$1${before:+:$before}"
}

from_libtorch() {
    local dir=$1 version abi=1
    version=$(cut -d+ -f1 "$dir/build-version" 2>/dev/null || echo unknown)
    case $version in
        "$wanted") ;;
        unknown) echo "libtorch.sh: $dir has no file build-version; it must be $wanted" >&2 ;;
        *) fail "$dir is libtorch $version, but tch 0.17 needs $wanted" ;;
    esac
    [ -e "$dir/include/torch/csrc/api/include/torch/torch.h" ] ||
        fail "$dir has no headers (include/torch/csrc/api/include/torch/torch.h)"
    # A function that takes a std::string tells the ABI by its name.
    if grep -q 'torchCheckFailEPKcS2_jRKSs' "$dir/lib/libc10.so"; then abi=0; fi
    say_export LIBTORCH "$dir"
    say_export LIBTORCH_CXX11_ABI "$abi"
    echo 'unset LIBTORCH_USE_PYTORCH'
    say_library_path "$dir/lib"
    echo "libtorch.sh: libtorch $version in $dir" >&2
}

from_python() {
    local python=$1 found version lib
    "$python" -c 'import sys' 2>/dev/null || fail "$python does not run"
    found=$("$python" -c 'import os, torch; print(torch.__version__); print(os.path.join(os.path.dirname(torch.__file__), "lib"))') ||
        fail "$python has no torch that loads; install it with" \
            "    $python -m pip install torch==$wanted setuptools numpy"
    { read -r version && read -r lib; } <<<"$found"
    [ "${version%%+*}" = "$wanted" ] ||
        fail "$python has torch $version, but tch 0.17 needs $wanted; install it with" \
            "    $python -m pip install torch==$wanted"
    "$python" -c 'from torch.utils import cpp_extension' ||
        fail "$python has no setuptools, which torch needs to say where it is; install it with" \
            "    $python -m pip install setuptools"
    # The build asks `python3`, or `python` in an activated environment.
    local bin
    bin=$(cd "$(dirname "$("$python" -c 'import sys; print(sys.executable)')")" && pwd)
    say_export LIBTORCH_USE_PYTORCH 1
    echo 'unset LIBTORCH LIBTORCH_CXX11_ABI'
    say_export PATH "$bin:$PATH"
    say_library_path "$lib"
    echo "libtorch.sh: torch $version of $bin" >&2
}

case ${1:-} in
    -h | --help)
        sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"
        ;;
    '')
        python=$(command -v python3 || command -v python) || fail 'there is no Python in the PATH'
        from_python "$python"
        ;;
    *)
        [ -d "$1" ] || fail "$1 is not a folder"
        dir=$(cd "$1" && pwd)
        if [ -e "$dir/lib/libtorch_cpu.so" ] || [ -e "$dir/lib/libtorch_cpu.dylib" ]; then
            from_libtorch "$dir"
        elif [ -x "$dir/bin/python" ]; then
            from_python "$dir/bin/python"
        else
            fail "$dir is neither a Python environment (bin/python) nor a libtorch (lib/libtorch_cpu.so)"
        fi
        ;;
esac
