#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A checkout whose path has a space: in a copy of the tree, scripts that once failed there, each at its
# smallest. Then one of them with a fault of that kind.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/spaces
tree=$dir/'with a space/valet'
rm -rf "$dir"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - | tar -xf - -C "$tree"
# the scripts ask git what is theirs
cd "$tree" && git init -q && git add -A || exit 1

# passes SCRIPT ARGUMENT...: and none of its checks has failed
passes() {
    said=$(timeout 300 sh "$@" 2>&1)
    status=$?
    printf '%s\n' "$said"
    [ "$status" -eq 0 ] && ! printf '%s\n' "$said" | grep -q '^FAILED'
}

build() { # NAME MESON OPTION...
    name=$1
    shift
    meson setup "build/$name" -Dtests=false "$@" && ninja -C "build/$name"
}

try 'built: linux' build linux
try 'built: posix' build posix -Dos=posix
try 'demo: the native CPU' passes test/demo/build.sh "$(uname -m)" build/demo
try 'demo: another CPU, by its cross file' passes test/demo/build.sh aarch64 build/demo-aarch64
try 'gdb' passes test/debug/debug.sh build/linux build/posix
try 'compile: in ELF' passes test/compile/compile.sh freebsd aarch64 clang -O2
try 'compile: for Apple' passes test/compile/compile.sh darwin_os_sync arm64 clang -O2
try 'figures: one parker' passes test/compile/compile.sh sizes linux x86_64
try 'installation' passes test/install/install.sh build/linux
try 'one file' meson compile -C build/linux amalgamation

python3 test/lib/plant.py test/demo/build.sh \
    "configure \"--cross-file=\$root/test/cross/\$cpu-linux-gnu.txt\"" \
    "configure --cross-file=\$root/test/cross/\$cpu-linux-gnu.txt" || bad 'planted: cannot be'
rm -rf build/demo-aarch64
# shellcheck disable=SC2016 # as it is written
try_not 'planted: $root without its quotes' passes test/demo/build.sh aarch64 build/demo-aarch64
counted spaces
