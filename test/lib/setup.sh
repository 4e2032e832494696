#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: setup.sh [PACKAGE...]. Install what the tests need, and these, on Debian 12, as root. Does
# nothing, quickly, where all of it is there.
set -eu

packages='
binutils
cargo
chromium
clang
clang-format
clang-tidy
cmake
cppcheck
doxygen
dpkg-dev
g++
gcc
gcc-aarch64-linux-gnu
gcc-mingw-w64-x86-64
gcc-riscv64-linux-gnu
gcc-riscv64-unknown-elf
gdb
git
graphviz
libc6-dev
libc6-dev-arm64-cross
libc6-dev-riscv64-cross
libclang-rt-dev
libunicorn-dev
lld
llvm
make
mandoc
meson
musl-tools
ninja-build
picolibc-aarch64-linux-gnu
picolibc-riscv64-unknown-elf
pkg-config
python3
qemu-system-arm
qemu-system-misc
qemu-system-x86
qemu-user
rustc
shellcheck
strace
valgrind
wine
'

missing=
for package in $packages "$@"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = 'install ok installed' ] || missing="$missing $package"
done
# Node comes in other packages, too.
command -v node >/dev/null || missing="$missing nodejs"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "setup: not root; install these packages and run again:$missing" >&2
    exit 1
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# A machine whose lists are old, or that has none yet, may not find a package at the first try.
# shellcheck disable=SC2086 # a list of words
if ! apt-get install -yq --no-install-recommends $missing >"$log" 2>&1; then
    apt-get update -q >"$log" 2>&1 || true
    if ! apt-get install -yq --no-install-recommends $missing >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "setup: apt-get could not install:$missing" >&2
        exit 1
    fi
fi
rm -f "$log"
