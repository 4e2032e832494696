#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: wasm.sh DIR [COMPILER ARGUMENT...]. Build the library for WebAssembly in DIR, and the demo with
# it: DIR/wc.wasm, for node test/demo/wasm.mjs. The arguments are for the demo only. A library that is set up there is
# taken as it is.
set -eu
dir=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$dir/build.ninja" ] || meson setup --cross-file="$root/test/cross/wasm32.txt" -Dos=wasm -Dtests=false \
    -Doptimization=2 -Ddebug=false "$dir" "$root"
ninja -C "$dir" libvalet.a
clang --target=wasm32 -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding -nostdlib \
    -matomics -mbulk-memory -mmutable-globals -I "$root/include" "$@" \
    "$root/test/demo/wc.c" "$root/test/demo/wasm.c" "$dir/libvalet.a" -o "$dir/wc.wasm" \
    -Wl,--no-entry,--import-memory,--shared-memory,--max-memory=4294967296,--export=__stack_pointer
