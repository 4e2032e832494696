#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: build.sh CPU DIR [COMPILER ARGUMENT...]. Build the library for Linux on that CPU in DIR, and
# the demo with it: DIR/wc. The arguments are for the demo only.
set -eu
cpu=$1
dir=$2
shift 2
root=$(cd "$(dirname "$0")/../.." && pwd)

quietly() {
    "$@" >"$dir.log" 2>&1 || {
        cat "$dir.log" >&2
        echo "demo: failed for $cpu: $*" >&2
        exit 1
    }
}

mkdir -p "$(dirname "$dir")"
# configure MESON OPTION...
configure() {
    [ -f "$dir/build.ninja" ] || quietly meson setup "$@" -Dos=linux -Dtests=false -Doptimization=2 "$dir" "$root"
}
if [ "$cpu" = "$(uname -m)" ]; then
    compiler=gcc
    configure
else
    compiler=$cpu-linux-gnu-gcc
    configure "--cross-file=$root/test/cross/$cpu-linux-gnu.txt"
fi
quietly ninja -C "$dir"
# gcc would call libgcc for atomics there, which would call the C library to know its CPU.
[ "$cpu" != aarch64 ] || set -- -mno-outline-atomics "$@"

# The whole program: no C library, no start-up files, nothing but valet.
quietly "$compiler" -std=c11 -O2 -g -Wall -Wextra -Werror -ffreestanding -fno-stack-protector \
    -nostdlib -static -I "$root" -I "$root/include" "$@" \
    "$root/test/demo/wc.c" "$root/test/demo/linux.c" "$dir/libvalet.a" -o "$dir/wc"
